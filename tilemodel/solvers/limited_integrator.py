"""The op-amp integrator with an output that stops at its swing: walked line by line, events located exactly.

Free, the state (e, p) moves as in `tilemodel.solvers.integrator`. At the swing the output stands still, p = +-v_swing,
and the line charges the capacitors alone:

    (C_in + C) e' = I(t) - y e,

until the op-amp pulls the output back: until the sign of e + p / A is that of p. Derivation: docs/integrator.md.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["LimitedOpAmp", "LimitedTiming", "limited_outputs"]

FloatArray = NDArray[np.float64]

# A piece is searched for the swing at this many points, so that no excursion between them matters
_STEPS = 8
# Of one step: reaching the swing and leaving it, with room for rounding at the turn
_MAX_TURNS = 8
# Halvings of a step: down to float64's resolution
_HALVINGS = 60
# Below this argument, (exp(z) - 1 - z) / z^2 is summed as a series of this many terms
_SERIES_BELOW, _SERIES_TERMS = 0.3, 14


class LimitedOpAmp(NamedTuple):
    """One op-amp and its capacitor."""

    w: float
    """2 pi f_unity [1/second]."""
    per_gain: float
    """1 / A."""
    c_int: float
    swing: float


class LimitedTiming(NamedTuple):
    """Lengths of the pieces [second]."""

    before: float
    """From the switch's opening to the first edge."""
    edge: float
    flat: float
    """The rest of a tick behind its edge."""
    hold: float
    """From the end of the last edge to the reading."""


def limited_outputs(
    current: FloatArray,
    released: FloatArray,
    y: FloatArray,
    rest: FloatArray,
    y_rest: FloatArray,
    c_in: FloatArray,
    state: FloatArray,
    op_amp: LimitedOpAmp,
    timing: LimitedTiming,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Deviation of the outputs [volt] when they are read, and whether they reached the swing, each [n].

    `current` and `y` [n, n_tick], `released` [n, 1 + n_tick] (charge of each edge), `rest`, `y_rest`, `c_in` [n],
    `state` [n, 2]: e and p when the switch opens.
    """
    with KERNEL_LOCK:
        out, reached = _walk_all(current, released, y, rest, y_rest, c_in, state, op_amp, timing)
    return out, reached


@compiled(parallel=True)
def _walk_all(
    current: Any, released: Any, y: Any, rest: Any, y_rest: Any, c_in: Any, state: Any, op_amp: Any, timing: Any
) -> Any:
    n = rest.size
    out = np.empty(n)
    reached = np.empty(n, dtype=np.bool_)
    for k in prange(n):
        out[k], reached[k] = _walk(current[k], released[k], y[k], rest[k], y_rest[k], c_in[k], state[k], op_amp, timing)
    return out, reached


@compiled()
def _walk(
    current: Any, released: Any, y: Any, rest: float, y_rest: float, c_in: float, start: Any, op_amp: Any, timing: Any
) -> Any:
    """One line through all pieces: output when read, and whether it ever reached the swing."""
    state = np.array([start[0], start[1], 0.0, 0.0])  # e, p, side of the swing (0: free), whether it was reached
    _piece(state, y_rest, rest, 0.0, timing.before, c_in, op_amp)
    before, y_before = rest, y_rest
    for k in range(current.size):
        extra = released[k] / timing.edge
        _piece(state, 0.5 * (y_before + y[k]), before + extra, current[k] - before, timing.edge, c_in, op_amp)
        _piece(state, y[k], current[k], 0.0, timing.flat, c_in, op_amp)
        before, y_before = current[k], y[k]
    extra = released[current.size] / timing.edge
    _piece(state, 0.5 * (y_before + y_rest), before + extra, rest - before, timing.edge, c_in, op_amp)
    _piece(state, y_rest, rest, 0.0, timing.hold, c_in, op_amp)
    return state[1], state[3] > 0.0


@compiled()
def _piece(state: Any, y: float, start: float, rise: float, duration: float, c_in: float, op_amp: Any) -> None:
    """Advance the state over a piece in which the current goes from `start` by `rise`."""
    if duration <= 0.0:
        return
    slope, step = rise / duration, duration / _STEPS
    for k in range(_STEPS):
        _step(state, y, start + slope * k * step, slope, step, c_in, op_amp)


@compiled()
def _step(state: Any, y: float, current: float, slope: float, left: float, c_in: float, op_amp: Any) -> None:
    """Advance over `left`, from turn to turn."""
    for _ in range(_MAX_TURNS):
        e, p = _moved(state[0], state[1], state[2], y, current, slope, left, c_in, op_amp)
        if not _turns(e, p, state[2], op_amp):
            state[0], state[1] = e, p
            return
        low, high = 0.0, left
        for _halving in range(_HALVINGS):
            middle = 0.5 * (low + high)
            e, p = _moved(state[0], state[1], state[2], y, current, slope, middle, c_in, op_amp)
            if _turns(e, p, state[2], op_amp):
                high = middle
            else:
                low = middle
        e, p = _moved(state[0], state[1], state[2], y, current, slope, high, c_in, op_amp)
        if state[2] == 0.0:
            state[2], state[3] = np.sign(p), 1.0
            p = state[2] * op_amp.swing
        else:
            state[2] = 0.0
        state[0], state[1] = e, p
        current += slope * high
        left -= high
    e, p = _moved(state[0], state[1], state[2], y, current, slope, left, c_in, op_amp)
    state[0], state[1] = e, min(max(p, -op_amp.swing), op_amp.swing)


@compiled()
def _turns(e: float, p: float, side: float, op_amp: Any) -> bool:
    """Whether a free output has passed the swing, or one at it is pulled back."""
    if side == 0.0:
        return bool(abs(p) > op_amp.swing)
    return bool(side * (e + p * op_amp.per_gain) > 0.0)


@compiled()
def _moved(
    e: float, p: float, side: float, y: float, current: float, slope: float, t: float, c_in: float, op_amp: Any
) -> Any:
    """State after `t` under a current that rises by `slope` from `current`, free or at the swing."""
    total = op_amp.c_int + c_in
    if side != 0.0:
        z = -y * t / total
        e = np.exp(z) * e + t * (_phi1(z) * current + t * _phi2(z) * slope) / total
        return e, p
    leak = op_amp.w * op_amp.per_gain
    m11, m12 = -(y + op_amp.c_int * op_amp.w) / total, -op_amp.c_int * leak / total
    trace = m11 - leak
    fast = 0.5 * (trace - np.sqrt(trace * trace - 4.0 * y * leak / total))
    slow = y * leak / total / fast
    at_slow, at_fast = np.exp(slow * t), np.exp(fast * t)
    divided = (at_slow - at_fast) / (slow - fast)
    next_e = (at_slow + divided * (m11 - slow)) * e + divided * m12 * p
    next_p = -divided * op_amp.w * e + (at_slow + divided * (-leak - slow)) * p
    at_slow = t * (_phi1(slow * t) * current + t * _phi2(slow * t) * slope)
    at_fast = t * (_phi1(fast * t) * current + t * _phi2(fast * t) * slope)
    divided = (at_slow - at_fast) / (slow - fast)
    return next_e + (at_slow + divided * (m11 - slow)) / total, next_p - divided * op_amp.w / total


@compiled()
def _phi1(z: float) -> float:
    """(exp(z) - 1) / z, 1 at 0."""
    return 1.0 if z == 0.0 else float(np.expm1(z) / z)


@compiled()
def _phi2(z: float) -> float:
    """(exp(z) - 1 - z) / z^2, 1/2 at 0."""
    if abs(z) >= _SERIES_BELOW:
        return float((_phi1(z) - 1.0) / z)
    total, factor = 0.0, 0.5
    for k in range(_SERIES_TERMS):
        total += factor
        factor *= z / (k + 3)
    return total
