"""The gradient by all conductances of a mesh: what training through row wires needs.

With D_h the voltage across a cell, rail less line, when driver or clamp h is at 1 V and all others at 0, the change of
the current from h' by the cell's conductance is D_h D_h': the network is reciprocal. So with the pulls on
transfer[s, l] as voltages of the drivers and those on y_in[l, m], negated, as voltages of the clamps,

    dL/dg = -sum_l D_l X_l,    X_l the voltage across the cell in that state.

Each line needs two states of the network, whatever the number of rows: the walk of `mesh` keeps the inverses P of
its fronts, and voltages follow from currents along it. Only positive terms are added until the differences are
taken. Derivation: docs/mesh.md.
"""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled
from tilemodel.solvers.mesh import DrivenEnd, Rows, ends_of_rails, inverse, looking_west

__all__ = ["mesh_adjoint"]

FloatArray = NDArray[np.float64]

# Clamps whose states are held at a time: two states of all nodes each
_CLAMPS = 32


def mesh_adjoint(
    g: FloatArray,
    by_transfer: FloatArray,
    by_y_in: FloatArray,
    *,
    r_bit_ohm: float,
    r_end_ohm: float,
    r_row_ohm: float,
    r_driver_ohm: float,
    driven_end: DrivenEnd,
    north: NDArray[np.bool_],
) -> FloatArray:
    """Gradient of sum(by_transfer * transfer) + sum(by_y_in * y_in) by `g`, [K, n_row, n_line].

    Arguments as of `mesh.mesh_transfer`, but rows must resist: `r_row_ohm` + `r_driver_ohm` > 0. O(n_row n_line^3)
    operations; n_row n_line^2 numbers are kept.
    """
    n_line = g.shape[2]
    lines = _Lines(g, Rows(g, r_row_ohm, r_driver_ohm, driven_end), r_bit_ohm, r_bit_ohm + r_end_ohm, north)
    g_west, g_east = ends_of_rails(r_row_ohm, r_driver_ohm, driven_end)
    rails = np.ascontiguousarray(g), looking_west(g, r_row_ohm, g_west), r_row_ohm, g_west, g_east
    gradient = np.zeros(g.shape)
    for begin in range(0, n_line, _CLAMPS):
        part = slice(begin, begin + _CLAMPS)
        pull = by_transfer[..., part]
        driver_volt = np.concatenate([np.zeros(pull.shape), pull], axis=-1)
        clamp_volt = np.concatenate([np.eye(n_line)[:, part], -by_y_in[part].T], axis=1)
        line_volt = lines.volt(driver_volt, clamp_volt)
        with KERNEL_LOCK:
            _subtract_products(*rails, driver_volt, line_volt, gradient)
    return gradient


class _Lines:
    """The nodes of the bit lines, the rails eliminated: their voltages in many states, [n_line, n_state] a row."""

    def __init__(
        self, g: FloatArray, rows: Rows, r_bit_ohm: float, r_last_ohm: float, north: NDArray[np.bool_]
    ) -> None:
        _, self._n_row, n_line = g.shape
        self._rows = rows
        self._is_ideal = r_bit_ohm == 0.0
        early = np.zeros(n_line, dtype=bool) if self._is_ideal else north
        g_last = 1.0 / r_last_ohm if r_last_ohm > 0.0 else 0.0
        self._before, self._behind = np.where(early, g_last, 0.0), np.where(early, 0.0, g_last)
        self._g_bit = 0.0 if self._is_ideal else 1.0 / r_bit_ohm
        self._fronts = self._walked(r_last_ohm)

    def _walked(self, r_last_ohm: float) -> list[FloatArray]:
        """P of every front that the walk leaves behind; of ideal lines, the only one."""
        fronts: list[FloatArray] = []
        between, ground = np.zeros((self._before.size, self._before.size)), self._before
        for i in range(self._n_row):
            if i > 0 and not self._is_ideal:
                fronts.append(_front(between, ground + self._g_bit))
                between, ground = self._g_bit**2 * fronts[-1], self._g_bit * (fronts[-1] @ ground)
            upper = np.triu(self._rows.between_lines(i), 1)
            between = between + upper + upper.T
            np.fill_diagonal(between, 0.0)
            ground = ground + self._rows.sources(i).sum(axis=0)
        if r_last_ohm > 0.0:
            fronts.append(_front(between, ground + self._behind))
        return fronts

    def volt(self, driver_volt: FloatArray, clamp_volt: FloatArray) -> FloatArray:
        """Voltages [n_row, n_line, n_state], or [1, n_line, n_state] of ideal lines.

        `driver_volt` [K, n_row, n_state], `clamp_volt` [n_line, n_state].
        """
        if not self._fronts:  # nothing between clamps and cells
            return clamp_volt[np.newaxis]
        volt = np.empty((len(self._fronts), *clamp_volt.shape))
        current = self._before[:, np.newaxis] * clamp_volt
        for i in range(self._n_row):
            if i > 0 and not self._is_ideal:
                np.matmul(self._fronts[i - 1], current, out=volt[i - 1])
                current = self._g_bit * volt[i - 1]
            current += np.einsum("kl,ks->ls", self._rows.sources(i), driver_volt[:, i])
        current += self._behind[:, np.newaxis] * clamp_volt
        np.matmul(self._fronts[-1], current, out=volt[-1])
        for i in range(len(volt) - 2, -1, -1):
            volt[i] += self._fronts[i] @ (self._g_bit * volt[i + 1])
        return volt


def _front(between: FloatArray, ground: FloatArray) -> FloatArray:
    """Inverse of the conductance matrix of nodes with conductances between them and to ground."""
    matrix = -between
    np.fill_diagonal(matrix, between.sum(axis=1) + ground)
    upper = np.triu(inverse(matrix))
    return upper + np.triu(upper, 1).T


@compiled(parallel=True, fastmath={"contract"})
def _subtract_products(
    g: Any, west: Any, r: Any, g_west: Any, g_east: Any, driver_volt: Any, line_volt: Any, gradient: Any
) -> None:
    """Along every rail the voltages across its cells; states come as those of the clamps, then those of the pulls."""
    n_rail, n_row, n_line = g.shape
    n_state = line_volt.shape[2]
    half, last = n_state // 2, n_line - 1
    for task in prange(n_rail * n_row):
        k, i = task // n_row, task % n_row
        row = i if len(line_volt) > 1 else 0
        towards = np.empty((n_line, n_state))  # currents eastward into the nodes, their own cells' included
        current, volt = np.empty(n_state), np.empty(n_state)
        for s in range(n_state):
            current[s] = g_west * driver_volt[k, i, s]
        for n in range(n_line):
            factor = 1.0 / (1.0 + r * (west[k, i, n] + g[k, i, n]))
            for s in range(n_state):
                towards[n, s] = current[s] + g[k, i, n] * line_volt[row, n, s]
                current[s] = factor * towards[n, s]
        for n in range(last, -1, -1):
            behind = west[k, i, n] + g[k, i, n]
            for s in range(n_state):
                if n == last:
                    volt[s] = (towards[n, s] + g_east * driver_volt[k, i, s]) / (behind + g_east)
                else:
                    volt[s] = (r * towards[n, s] + volt[s]) / (1.0 + r * behind)
            total = 0.0
            for s in range(half):
                by_clamp = volt[s] - line_volt[row, n, s]
                total += by_clamp * (volt[half + s] - line_volt[row, n, half + s])
            gradient[k, i, n] -= total
