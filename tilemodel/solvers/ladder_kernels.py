"""The ladder of `tilemodel.solvers.ladder` and its adjoint as compiled loops, for layers that train: no arrays a row.

Single or double precision, as the arguments are. Cost: O(n_row) a line.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["ladder_adjoint", "ladder_transfer"]

Real = NDArray[np.floating[Any]]

# Bit lines that one loop handles side by side
_LANES = 64


def ladder_transfer(g: Real, r_ohm: float, r_end_ohm: float) -> Real:
    """Transfer to the clamp, as `g` [K, n_row, n_line], row 0 farthest: `ladder.transfer_to_clamp`."""
    transfer = np.empty(g.shape, g.dtype)
    real = g.dtype.type
    with KERNEL_LOCK:
        _transfer(np.ascontiguousarray(g), real(r_ohm), real(r_ohm + r_end_ohm), real(1.0), transfer)
    return transfer


def ladder_adjoint(transfer: Real, pull: Real, r_ohm: float, r_end_ohm: float) -> Real:
    """Gradient of sum(pull * transfer) by the conductances, as these: `ladder.transfer_adjoint`.

    The factors of the elimination are the ratios of neighbouring transfers.
    """
    by_g = np.empty(transfer.shape, transfer.dtype)
    real = transfer.dtype.type
    arguments = np.ascontiguousarray(transfer), np.ascontiguousarray(pull)
    with KERNEL_LOCK:
        _adjoint(*arguments, real(r_ohm), real(r_ohm + r_end_ohm), by_g)
    return by_g


@compiled(parallel=True, fastmath={"contract"})
def _transfer(g: Any, r: Any, r_last: Any, one: Any, w: Any) -> None:
    n_tile, n_row, n_line = g.shape
    n_block = -(-n_line // _LANES)
    for task in prange(n_tile * n_block):
        k, begin = task // n_block, (task % n_block) * _LANES
        width = min(_LANES, n_line - begin)
        y = np.zeros(_LANES, g.dtype)
        for i in range(n_row):
            wire = r if i < n_row - 1 else r_last
            for n in range(width):
                behind = y[n] + g[k, i, begin + n]
                factor = one / (one + wire * behind)
                w[k, i, begin + n] = factor
                y[n] = behind * factor
        for i in range(n_row - 2, -1, -1):
            for n in range(width):
                w[k, i, begin + n] *= w[k, i + 1, begin + n]


@compiled(parallel=True, fastmath={"contract"})
def _adjoint(w: Any, pull: Any, r: Any, r_last: Any, by_g: Any) -> None:
    n_tile, n_row, n_line = w.shape
    n_block = -(-n_line // _LANES)
    for task in prange(n_tile * n_block):
        k, begin = task // n_block, (task % n_block) * _LANES
        width = min(_LANES, n_line - begin)
        current = np.zeros(_LANES, w.dtype)
        for i in range(n_row):  # by_g holds the currents towards the clamp
            for n in range(width):
                current[n] += pull[k, i, begin + n]
                by_g[k, i, begin + n] = current[n]
                if i < n_row - 1:
                    current[n] *= w[k, i, begin + n] / w[k, i + 1, begin + n]
        volt = np.zeros(_LANES, w.dtype)
        for i in range(n_row - 1, -1, -1):
            last = i == n_row - 1
            wire = r_last if last else r
            for n in range(width):
                own = w[k, i, begin + n]
                factor = own if last else own / w[k, i + 1, begin + n]
                volt[n] = factor * (wire * by_g[k, i, begin + n] + volt[n])
                by_g[k, i, begin + n] = -own * volt[n]
