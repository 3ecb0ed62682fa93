"""Cycles of oscillators whose frequency bends with the current, at linear bit lines driven by pulses.

A row adds its current to every line until its pulse ends, so that the current of each tick follows from one addition
a row and one a tick. The frequency k I / (1 + |I| / i_half) is integrated over the window: constant while nothing
changes, and over the ramps of the edges by Gauss and Legendre's rule with three nodes. Cost: O(n_row + n_tick) a line
and vector. Law: docs/converters.md.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange, uint64
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled
from tilemodel.solvers.lanes import in_lanes

__all__ = ["EDGE_NODES", "EDGE_WEIGHTS", "OscillatorTiming", "oscillator_cycles"]

FloatArray = NDArray[np.float64]

EDGE_NODES = (0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15))
"""Of an edge, at which its frequency is taken."""
EDGE_WEIGHTS = (5 / 18, 8 / 18, 5 / 18)

_LANES = 32


class OscillatorTiming(NamedTuple):
    """Of one pass."""

    n_tick_max: int
    t_lsb_second: float
    t_edge_second: float
    t_rest_second: float
    """Time of the window without pulses and edges."""


def oscillator_cycles(
    n_tick: NDArray[np.int64],
    height: FloatArray,
    current_ampere: FloatArray,
    rest_ampere: FloatArray,
    rate_hertz_per_ampere: FloatArray,
    i_half_ampere: float,
    timing: OscillatorTiming,
) -> FloatArray:
    """Cycles over the window, [n_vec, n_line].

    Pulses of `n_tick` ticks and `height`, each [n_vec, n_row]; `current_ampere` [n_row, n_line] of a row at height 1,
    `rest_ampere` and `rate_hertz_per_ampere` (small currents) [n_line].
    """
    n_line = current_ampere.shape[1]
    with KERNEL_LOCK:
        cycles = _batch(
            np.ascontiguousarray(n_tick),
            np.ascontiguousarray(height),
            in_lanes(current_ampere, _LANES),
            in_lanes(rest_ampere[np.newaxis], _LANES)[:, 0],
            1.0 / i_half_ampere,
            timing,
        )
    result: FloatArray = cycles[:, :n_line] * rate_hertz_per_ampere
    return result


@compiled(parallel=True)
def _batch(n_tick: Any, height: Any, current: Any, rest: Any, bend: float, timing: Any) -> Any:
    n_vec, n_block = n_tick.shape[0], current.shape[0]
    cycles = np.zeros((n_vec, n_block * _LANES))
    for task in prange(n_vec * n_block):
        vector, block = task % n_vec, task // n_vec
        # of the state before the pulses, of each tick, and after them: what ends with tick k stands in row k
        state = np.zeros((timing.n_tick_max + 2, _LANES))
        _end_pulses(state, n_tick[vector], height[vector], current[block])
        _add_up(state, rest[block])
        out = np.zeros(_LANES)
        _integrate(out, state, bend, timing)
        cycles[vector, block * _LANES : (block + 1) * _LANES] = out
    return cycles


@compiled(fastmath={"contract"})
def _end_pulses(state: Any, n_tick: Any, height: Any, current: Any) -> None:
    for i in range(n_tick.size):
        if n_tick[i] > 0:
            k, row, h = uint64(n_tick[i]), uint64(i), height[i]
            for n in range(state.shape[1]):
                state[k, n] += h * current[row, n]


@compiled(fastmath={"contract"})
def _add_up(state: Any, rest: Any) -> None:
    """Currents: a tick's is the next one's plus that of the pulses that end with it."""
    last = state.shape[0] - 1
    for n in range(state.shape[1]):
        state[last, n] = rest[n]
    for back in range(last - 1):
        k, after = uint64(last - 1 - back), uint64(last - back)
        for n in range(state.shape[1]):
            state[k, n] += state[after, n]
    for n in range(state.shape[1]):
        state[0, n] = rest[n]


@compiled(fastmath={"contract"})
def _integrate(out: Any, state: Any, bend: float, timing: Any) -> None:
    """Integral of I / (1 + |I| bend)."""
    last = state.shape[0] - 1
    flat = timing.t_lsb_second - timing.t_edge_second
    for n in range(state.shape[1]):
        out[n] += timing.t_rest_second * state[0, n] / (1.0 + abs(state[0, n]) * bend)
    for k in range(last + 1):
        if k == 0:
            continue
        before, t = uint64(k - 1), flat if k < last else 0.0
        for n in range(state.shape[1]):
            a, b = state[before, n], state[k, n]
            total = t * b / (1.0 + abs(b) * bend)
            for j in range(3):
                i = a + EDGE_NODES[j] * (b - a)
                total += timing.t_edge_second * EDGE_WEIGHTS[j] * i / (1.0 + abs(i) * bend)
            out[n] += total
