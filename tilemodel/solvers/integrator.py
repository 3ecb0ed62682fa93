"""An op-amp integrator as the clamp of a bit line: virtual ground and output, exact piece by piece.

The bit line hangs on the inverting input, the integration capacitor C between it and the output. With e the
input's and p the output's deviation from the clamp voltage, A the DC gain, w = 2 pi f_unity, and the line as seen from
the clamp, I(t) - y e (I: current into a clamp at exactly the clamp voltage),

    (C_in + C) e' = C p' + I(t) - y e,      p' = -w (e + p / A).

I is constant within a tick and linear during the edges at its beginning, y constant in both: an affine map of
(e, p) a piece, made of exponentials of the matrix's two rates, which are real and distinct. The charge that a converter
sees is -C p at the sampling time. Lines whose output comes near its swing are walked again with it
(`tilemodel.solvers.limited_integrator`). Derivation and validity: docs/integrator.md.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["IntegratorOutput", "IntegratorTiming", "OpAmpIntegrator", "integrator_output"]

FloatArray = NDArray[np.float64]
State = tuple[FloatArray, FloatArray]
# Below this argument, (exp(z) - 1 - z) / z^2 is summed as a series of this many terms
_SERIES_BELOW, _SERIES_TERMS = 0.3, 14


@dataclass(frozen=True, kw_only=True)
class OpAmpIntegrator:
    """One op-amp with a single pole and its integration capacitor."""

    gain: float
    """DC gain A; may be infinite."""
    f_unity_hertz: float
    c_int_farad: float
    v_clamp_volt: float
    """Voltage of the non-inverting input; the output rests there too."""
    v_swing_volt: float
    """Largest deviation of the output from `v_clamp_volt`."""
    r_reset_ohm: float
    """Resistance of the closed reset switch across the capacitor."""


@dataclass(frozen=True, kw_only=True)
class IntegratorTiming:
    """t_open <= t_start: the switch opens in no time, the line being at rest until `t_start_second`."""

    t_open_second: float
    t_start_second: float
    t_lsb_second: float
    t_edge_second: float
    t_sample_second: float
    """When the output is read; not before the last edge has ended."""


@dataclass(frozen=True, kw_only=True)
class IntegratorOutput:
    """What the converter behind the integrators finds, each [n_vec, n_line]."""

    v_out_volt: FloatArray
    charge_coulomb: FloatArray
    """C (v_clamp - v_out), positive for current from the bit line into the clamp."""
    saturated: NDArray[np.bool_]
    """The output stood at its swing at some time."""
    withheld_coulomb: FloatArray
    """What the charge would be beyond it without the swing."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What drives the op-amps: see `integrator_output`."""

    current: FloatArray
    y: FloatArray
    rest: FloatArray
    """[n_vec, n_line]"""
    y_rest: FloatArray
    """[n_line]"""
    c_in: FloatArray
    """[n_line]"""
    released: FloatArray


@dataclass(frozen=True)
class _Piece:
    """Affine map over one stretch of constant y: the state's, and that of a current I + ramp s, s in [0, 1]."""

    matrix: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    constant: State
    ramp: State

    def apply(self, state: State, current: FloatArray, rise: FloatArray | float) -> State:
        e, p = state
        (a, b, c, d), (ce, cp), (re, rp) = self.matrix, self.constant, self.ramp
        return a * e + b * p + ce * current + re * rise, c * e + d * p + cp * current + rp * rise


def integrator_output(
    current: FloatArray,
    y: FloatArray,
    *,
    op_amp: OpAmpIntegrator,
    timing: IntegratorTiming,
    current_rest: ArrayLike = 0.0,
    y_rest: ArrayLike | None = None,
    c_in_farad: ArrayLike = 0.0,
    released: FloatArray | None = None,
) -> IntegratorOutput:
    """Outputs of integrators at the ends of bit lines.

    `current` [n_vec, n_tick, n_line] [ampere] flows in tick k into a clamp at v_clamp; `y` [siemens], of the same shape
    or [n_line], is the conductance that the clamp sees. `current_rest` and `y_rest` (default `y`, where that is one
    value a line) hold before the first tick and after the last, `c_in_farad` is the capacitance of the line at the
    virtual ground, each [n_line] or a number. `released` [n_vec, 1 + n_tick, n_line] [coulomb] flows beside the
    currents during the edge before each tick, and during the last. O(n_vec n_tick n_line).
    """
    if y_rest is None:
        if y.ndim != 1:
            raise ValueError("y_rest must be given where y differs from tick to tick")
        y_rest = y
    _check(current, y, timing)
    n_vec, n_line = current.shape[0], current.shape[2]
    rest = np.broadcast_to(np.asarray(current_rest, dtype=np.float64), (n_vec, n_line))
    y_at_rest = np.broadcast_to(np.asarray(y_rest, dtype=np.float64), (n_line,))
    line = _Line(
        current=current,
        y=y,
        rest=rest,
        y_rest=y_at_rest,
        c_in=np.broadcast_to(np.asarray(c_in_farad, dtype=np.float64), (n_line,)),
        released=np.zeros((n_vec, current.shape[1] + 1, n_line)) if released is None else released,
    )
    start = state = _reset_state(op_amp, rest, y_at_rest)
    # between corners e moves the output by at most twice itself, an edge by its charge
    reach = np.zeros((n_vec, n_line))
    for piece, began, rise in _pieces(line, op_amp, timing):
        state = piece.apply(state, began, rise)
        np.maximum(reach, np.abs(state[1]) + 2 * (1 + line.c_in / op_amp.c_int_farad) * np.abs(state[0]), out=reach)
    largest = (
        np.abs(current).max(axis=1, initial=0) + np.abs(rest) + np.abs(line.released).max(axis=1) / timing.t_edge_second
    )
    near = reach + largest * timing.t_edge_second / op_amp.c_int_farad >= op_amp.v_swing_volt
    out, saturated = state[1].copy(), np.zeros((n_vec, n_line), dtype=bool)
    if near.any():
        out[near], saturated[near] = _limited(line, start, near, op_amp, timing)
    return IntegratorOutput(
        v_out_volt=op_amp.v_clamp_volt + out,
        charge_coulomb=-op_amp.c_int_farad * out,
        saturated=saturated,
        withheld_coulomb=op_amp.c_int_farad * (out - state[1]),
    )


def _limited(
    line: _Line, start: State, near: NDArray[np.bool_], op_amp: OpAmpIntegrator, timing: IntegratorTiming
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Outputs of the lines `near` their swing, and whether they reached it."""
    # numba takes half a second that lines within their swing need not pay
    from tilemodel.solvers.limited_integrator import LimitedOpAmp, LimitedTiming, limited_outputs

    vectors, lines = np.nonzero(near)
    n_tick = line.current.shape[1]
    y = line.y[vectors, :, lines] if line.y.ndim == 3 else np.repeat(line.y[lines, np.newaxis], n_tick, axis=1)
    last = timing.t_start_second + n_tick * timing.t_lsb_second + timing.t_edge_second
    return limited_outputs(
        np.ascontiguousarray(line.current[vectors, :, lines]),
        np.ascontiguousarray(line.released[vectors, :, lines]),
        np.ascontiguousarray(y),
        line.rest[vectors, lines],
        line.y_rest[lines],
        line.c_in[lines],
        np.stack([start[0][vectors, lines], start[1][vectors, lines]], axis=1),
        LimitedOpAmp(
            w=2 * math.pi * op_amp.f_unity_hertz,
            per_gain=1.0 / op_amp.gain,
            c_int=op_amp.c_int_farad,
            swing=op_amp.v_swing_volt,
        ),
        LimitedTiming(
            before=timing.t_start_second - timing.t_open_second,
            edge=timing.t_edge_second,
            flat=timing.t_lsb_second - timing.t_edge_second,
            hold=max(timing.t_sample_second - last, 0.0),
        ),
    )


def _check(current: FloatArray, y: FloatArray, timing: IntegratorTiming) -> None:
    if current.ndim != 3 or y.shape not in (current.shape, current.shape[2:]):
        raise ValueError(
            f"current must be [n_vec, n_tick, n_line] and y the same or [n_line]; got {current.shape} and {y.shape}"
        )
    if timing.t_open_second > timing.t_start_second:
        raise ValueError("the reset switch must open before the first pulse: t_open_second <= t_start_second")
    last = timing.t_start_second + current.shape[1] * timing.t_lsb_second + timing.t_edge_second
    if timing.t_sample_second < last * (1 - 1e-12):
        raise ValueError(f"t_sample_second = {timing.t_sample_second:g} lies before the end of the last edge, {last:g}")


def _pieces(
    line: _Line, op_amp: OpAmpIntegrator, timing: IntegratorTiming
) -> Iterator[tuple[_Piece, FloatArray, FloatArray | float]]:
    """Maps in the order of time, each with the current at its start and the current's rise in it."""
    current, y, rest, y_rest, c_in = line.current, line.y, line.rest, line.y_rest, line.c_in
    n_tick = current.shape[1]
    edge, flat = timing.t_edge_second, timing.t_lsb_second - timing.t_edge_second
    last = timing.t_start_second + n_tick * timing.t_lsb_second + edge
    yield _piece(y_rest, timing.t_start_second - timing.t_open_second, c_in, op_amp), rest, 0.0
    same = (_piece(y, edge, c_in, op_amp), _piece(y, flat, c_in, op_amp)) if y.ndim == 1 else None
    before, y_before = rest, y_rest
    for k in range(n_tick):
        now, y_now = current[:, k], y if y.ndim == 1 else y[:, k]
        if same is not None and k > 0:
            on_edge, on_flat = same
        else:
            on_edge = _piece((y_before + y_now) / 2, edge, c_in, op_amp)
            on_flat = _piece(y_now, flat, c_in, op_amp)
        yield on_edge, before + line.released[:, k] / edge, now - before
        yield on_flat, now, 0.0
        before, y_before = now, y_now
    yield _piece((y_before + y_rest) / 2, edge, c_in, op_amp), before + line.released[:, n_tick] / edge, rest - before
    yield _piece(y_rest, max(timing.t_sample_second - last, 0.0), c_in, op_amp), rest, 0.0


def _reset_state(op_amp: OpAmpIntegrator, current: FloatArray, y: FloatArray) -> State:
    """Steady state with the reset switch closed: I - y e = (e - p) / r_reset, p = -A e."""
    per_ohm = y + 1.0 / op_amp.r_reset_ohm
    if math.isinf(op_amp.gain):
        return np.zeros(current.shape), -current * op_amp.r_reset_ohm
    e = current / (per_ohm + op_amp.gain / op_amp.r_reset_ohm)
    return e, -op_amp.gain * e


def _piece(y: FloatArray, duration: float, c_in: FloatArray, op_amp: OpAmpIntegrator) -> _Piece:
    """The map over `duration` [second] for lines of conductance `y` [siemens], any shape.

    M = [[m11, m12], [m21, m22]]; f(M) = f(slow) + f[slow, fast] (M - slow) for each function f that is needed.
    """
    w, total = 2 * math.pi * op_amp.f_unity_hertz, op_amp.c_int_farad + c_in
    leak = w / op_amp.gain
    m11, m12 = -(y + op_amp.c_int_farad * w) / total, -op_amp.c_int_farad * leak / total
    m21, m22 = -w, -leak
    trace, det = m11 + m22, y * leak / total
    # the leak and y weigh less than the op-amp's own rate, so the root is real and the rates differ
    fast = (trace - np.sqrt(trace**2 - 4 * det)) / 2
    slow = det / fast
    columns = []
    for f, scale in ((np.exp, 1.0), (_phi1, duration), (_phi2, duration)):
        at_slow = scale * f(slow * duration)
        divided = (at_slow - scale * f(fast * duration)) / (slow - fast)
        columns.append(
            (at_slow + divided * (m11 - slow), divided * m12, divided * m21, at_slow + divided * (m22 - slow))
        )
    (a, b, c, d), (one_e, _, one_p, _), (two_e, _, two_p, _) = columns
    return _Piece((a, b, c, d), (one_e / total, one_p / total), (two_e / total, two_p / total))


def _phi1(z: FloatArray) -> FloatArray:
    """(exp(z) - 1) / z, 1 at 0."""
    safe = np.where(z == 0, 1.0, z)
    return np.where(z == 0, 1.0, np.expm1(safe) / safe)


def _phi2(z: FloatArray) -> FloatArray:
    """(exp(z) - 1 - z) / z^2, 1/2 at 0: the answer to a source that rises from 0 to 1."""
    small = np.abs(z) < _SERIES_BELOW
    near, safe = np.where(small, z, 0.0), np.where(small, 1.0, z)
    series = np.zeros(np.shape(z))
    for k in range(_SERIES_TERMS, -1, -1):
        series = 1.0 / math.factorial(k + 2) + near * series
    return np.where(small, series, (_phi1(safe) - 1.0) / safe)
