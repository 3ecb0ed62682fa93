"""Charge that a window leaves in a linear bit line when it ends before the line has settled.

Clamp current integrated over [0, T] = static answer to the integral of the drive over [0, T] - w^T C u(T), with w the
transfer to the clamp and u(T) the node voltages left. With the modes (rate l, shape q) of the line and a drive
made of linear edges, a mode answers an edge that began at t with

    value / l - slope / l^2 + transient,    transient = +-exp(-l (T - corner)) (...) / (l^2 t_edge),

value and slope of the edge taken at T. The first two terms summed over all modes are ladder solutions, exact without
any mode; the transients decay, and only slow modes are computed. What the others could add is bounded.
The clamp's offset drives a constant current, from rest at t = 0 on: it leaves nothing out and needs no correction.
Derivation and validity: docs/settling.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = ["CutTail", "PulseTiming", "TailCharge", "cut_tail_charge", "pulse_integral"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Basis functions of the tick number below this fraction of the largest are rounding errors
_RANK_TOLERANCE = 1e-14
# Modes that weigh less than this, relative to the heaviest, are treated as if they weighed this
_IMPORTANCE_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class PulseTiming:
    """Trapezoidal pulses and the window: edges of `t_edge_second`, the falling one |x| ticks after the rising one."""

    t_start_second: float
    t_lsb_second: float
    t_edge_second: float
    t_window_second: float
    """The window is [0, t_window_second]; it may end anywhere after 0."""


@dataclass(frozen=True, kw_only=True)
class TailCharge:
    """What is to be added to the static charge, and how far it can be off."""

    charge_coulomb: FloatArray
    """[n_vec, n_line]: to be added to the static answer for `pulse_integral`."""
    dropped_coulomb: FloatArray
    """[n_vec, n_line], >= 0: bound of what the modes that were left out would add."""
    n_mode: int
    """Modes of the line that needed most."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Lines as the drive sees them; `share` is (w^T q) q_i, without the drive's height."""

    transfer_norm: FloatArray
    """[n_line]: Euclidean norm of the transfer w."""
    static: FloatArray
    """[n_row, n_line]: charge left a unit current held [second]."""
    slope: FloatArray
    """[n_row, n_line]: charge left a unit slope of the current held [second^2]."""
    rate: FloatArray
    """[n_line, n_mode] [1/second]."""
    share: FloatArray
    """[n_line, n_mode, n_row]; 0 where a line has fewer modes."""
    complete: NDArray[np.bool_]
    """[n_line]: no mode is left out."""


class CutTail:
    """Lines with their conductances written: tail charges of any inputs up to `n_tick_max` ticks.

    `g_sum` = G+ + G- and `g_diff` = G+ - G- [siemens], each [n_row, n_line], row 0 farthest from the clamp; segments
    `r_ohm`, the last one with `r_end_ohm` behind it to the ideal clamp; `c_farad` to ground at each node. With
    `r_ohm` = 0 all cells and capacitors sit on one node in front of `r_end_ohm`. Modes are left out as long as
    the bound of their contribution stays below `tolerance`, relative to
    v_volt * n_tick_max * t_lsb * (Euclidean norm of g_diff of the largest line).
    """

    def __init__(
        self,
        g_sum: FloatArray,
        g_diff: FloatArray,
        *,
        r_ohm: float,
        r_end_ohm: float,
        c_farad: float,
        v_volt: float,
        timing: PulseTiming,
        n_tick_max: int,
        tolerance: float = 1e-7,
    ) -> None:
        self._n_tick_max = n_tick_max
        self._n_line = g_sum.shape[1]
        self._tables: FloatArray = np.zeros((0, n_tick_max + 1))
        self._matrices: FloatArray = np.zeros((0, *g_sum.shape))
        self._bound_table, self._bound_matrix = np.zeros(n_tick_max + 1), np.zeros(g_sum.shape)
        self.n_mode = 0
        if c_farad == 0 or (r_ohm == 0 and r_end_ohm == 0) or not g_diff.any() or n_tick_max == 0:
            return  # the line follows its drive at once, or there is none
        x = np.arange(n_tick_max + 1)
        lines, cut = _reduced(g_sum, g_diff, r_ohm, r_end_ohm, c_farad, timing, x, tolerance)
        height = v_volt * g_diff
        value, slope = _pulse_at_end(timing, x)
        basis, weights = _separated(lines, height, timing, x)
        # matrices: the answer's sign is that of charge missing at the clamp
        modal = np.array([np.einsum("lm,lmi->il", weight, lines.share) for weight in weights]).reshape(-1, *g_sum.shape)
        self._tables = np.concatenate([value[None], slope[None], basis])
        self._matrices = np.concatenate([-lines.static[None], lines.slope[None], -modal]) * height
        self.n_mode = lines.rate.shape[1]
        left = _share_bound(lines.transfer_norm, r_ohm + r_end_ohm, c_farad, cut)
        self._bound_table = _transient_bound(timing, x, cut)
        self._bound_matrix = np.abs(height) * np.where(lines.complete, 0.0, left)

    def charges(self, n_tick: IntArray, height: FloatArray) -> TailCharge:
        """Correction and its bound for pulses of `n_tick` <= n_tick_max ticks and `height`, each [n_vec, n_row].

        One matrix product a basis function: O(n_vec n_row n_line) each, whatever the number of modes.
        """
        charge = np.zeros((len(n_tick), self._n_line))
        for table, matrix in zip(self._tables, self._matrices, strict=True):
            if table.any():
                charge += (table[n_tick] * height) @ matrix
        bound: FloatArray = (self._bound_table[n_tick] * np.abs(height)) @ self._bound_matrix
        return TailCharge(charge_coulomb=charge, dropped_coulomb=bound, n_mode=self.n_mode)


def cut_tail_charge(
    g_sum: FloatArray,
    g_diff: FloatArray,
    ticks: IntArray,
    *,
    r_ohm: float,
    r_end_ohm: float,
    c_farad: float,
    v_volt: float,
    timing: PulseTiming,
    tolerance: float = 1e-7,
) -> TailCharge:
    """`CutTail` for one batch `ticks` [n_vec, n_row]: charge to add to the static answer [coulomb]."""
    lines = CutTail(
        g_sum,
        g_diff,
        r_ohm=r_ohm,
        r_end_ohm=r_end_ohm,
        c_farad=c_farad,
        v_volt=v_volt,
        timing=timing,
        n_tick_max=int(np.abs(ticks).max(initial=0)),
        tolerance=tolerance,
    )
    return lines.charges(np.abs(ticks), np.sign(ticks).astype(np.float64))


def pulse_integral(ticks: IntArray, timing: PulseTiming) -> FloatArray:
    """Integral over the window of the pulses of `ticks` (any shape) [second]: x t_lsb for those that end in it."""
    span = timing.t_window_second - timing.t_start_second
    since_fall = span - np.abs(ticks) * timing.t_lsb_second
    clipped = np.sign(ticks) * (_edge_area(span, timing) - _edge_area(since_fall, timing))
    result: FloatArray = np.where(since_fall >= timing.t_edge_second, ticks * timing.t_lsb_second, clipped)
    return result


def _edge_area(since: FloatArray | float, timing: PulseTiming) -> FloatArray:
    """Integral of an edge from 0 to 1 that began `since` ago [second]."""
    edge = timing.t_edge_second
    on_ramp = np.clip(since, 0.0, edge)
    result: FloatArray = on_ramp**2 / (2 * edge) + np.maximum(np.asarray(since) - edge, 0.0)
    return result


def _edge_starts(timing: PulseTiming, x: IntArray) -> tuple[FloatArray, FloatArray]:
    """Time from the start of the rising and of the falling edge to the window's end [second], negative if later."""
    span = timing.t_window_second - timing.t_start_second
    return np.where(x > 0, span, -1.0), np.where(x > 0, span - x * timing.t_lsb_second, -1.0)


def _pulse_at_end(timing: PulseTiming, x: IntArray) -> tuple[FloatArray, FloatArray]:
    """Value and slope [1/second] of a pulse of `x` ticks at the window's end, shape of `x`."""
    edge = timing.t_edge_second
    rise, fall = _edge_starts(timing, x)
    value = np.clip(rise / edge, 0.0, 1.0) - np.clip(fall / edge, 0.0, 1.0)
    slope = (((rise > 0) & (rise < edge)).astype(float) - ((fall > 0) & (fall < edge))) / edge
    return value, slope


def _edge_transient(since: FloatArray, rate: FloatArray, edge: float) -> FloatArray:
    """Decaying part [second] of a mode's answer to an edge that began `since` ago; `since` and `rate` broadcast."""
    started = np.exp(-rate * np.maximum(since, 0.0))
    ended = np.exp(-rate * np.maximum(since - edge, 0.0)) * np.expm1(-rate * edge)
    result: FloatArray = np.where(since <= 0, 0.0, np.where(since < edge, started, ended)) / (rate**2 * edge)
    return result


def _transient(timing: PulseTiming, x: IntArray, rate: FloatArray) -> FloatArray:
    """Decaying part [second] for pulses of `x` [n_x] ticks and modes of `rate` [...]; [n_x, ...]."""
    rise, fall = (since.reshape(-1, *[1] * rate.ndim) for since in _edge_starts(timing, x))
    edge = timing.t_edge_second
    return _edge_transient(rise, rate, edge) - _edge_transient(fall, rate, edge)


def _transient_bound(timing: PulseTiming, x: IntArray, cut: float) -> FloatArray:
    """No mode faster than `cut` [1/second] answers a pulse of `x` [n_x] ticks with more than this [second]."""
    rate, edge = np.asarray(cut), timing.t_edge_second
    return sum((np.abs(_edge_transient(since, rate, edge)) for since in _edge_starts(timing, x)), np.zeros(x.shape))


def _share_bound(transfer_norm: FloatArray, r_end_ohm: float, c_farad: float, cut: float) -> FloatArray:
    """Bound of |sum over modes faster than `cut` of (w^T q) q_i|: the norm of w, or w^T q = q_end / (r_end l c)."""
    return np.minimum(transfer_norm, 1.0 / (r_end_ohm * c_farad * cut))


def _separated(lines: _Line, height: FloatArray, timing: PulseTiming, x: IntArray) -> tuple[FloatArray, FloatArray]:
    """All transients as a sum of few functions of the tick number: basis [k, n_x], weights [k, n_line, n_mode].

    Lines differ little, so their exponentials span few dimensions.
    """
    if lines.rate.size == 0:
        return np.zeros((0, x.size)), np.zeros((0, *lines.rate.shape))
    importance = np.einsum("lmi,il->lm", np.abs(lines.share), np.abs(height))
    importance = np.maximum(importance / importance.max(), _IMPORTANCE_FLOOR)
    table = _transient(timing, x, lines.rate) * importance
    u, s, vt = np.linalg.svd(table.reshape(x.size, -1), full_matrices=False)
    rank = int((s > _RANK_TOLERANCE * s[0]).sum())
    weights = vt[:rank].reshape(rank, *lines.rate.shape) / importance
    return (u[:, :rank] * s[:rank]).T, np.where(lines.share.any(axis=2), weights, 0.0)


def _reduced(
    g_sum: FloatArray,
    g_diff: FloatArray,
    r_ohm: float,
    r_end_ohm: float,
    c_farad: float,
    timing: PulseTiming,
    x: IntArray,
    tolerance: float,
) -> tuple[_Line, float]:
    """The lines' slow modes, and the rate [1/second] above which they are left out."""
    if r_ohm == 0 or len(g_sum) == 1:
        lumped = _lumped(g_sum, r_ohm + r_end_ohm, len(g_sum) * c_farad)
        return lumped, float(lumped.rate.max())
    transfer, y_in = transfer_to_clamp(g_sum, r_ohm)
    transfer = transfer / (1.0 + r_end_ohm * y_in)
    total, norm = np.abs(g_diff).sum(axis=0), np.linalg.norm(g_diff, axis=0).max()
    allowed = tolerance * x[-1] * timing.t_lsb_second * norm
    transfer_norm = np.linalg.norm(transfer, axis=0)
    # Gershgorin: no mode is faster
    fastest = (4.0 + r_ohm * g_sum.max()) / (r_ohm * c_farad)
    low, high = np.log(fastest) - 60.0, float(np.log(fastest))
    for _ in range(50):
        middle = (low + high) / 2
        cut = float(np.exp(middle))
        left = (_share_bound(transfer_norm, r_ohm + r_end_ohm, c_farad, cut) * total).max()
        enough = left * _transient_bound(timing, x, cut).max() <= allowed
        low, high = (low, middle) if enough else (middle, high)
    cut = float(np.exp(high))
    return _ladder(g_sum, transfer, transfer_norm, r_ohm, r_end_ohm, c_farad, cut), cut


def _lumped(g_sum: FloatArray, r_ohm: float, c_farad: float) -> _Line:
    """All cells on one node of `c_farad`, behind `r_ohm`: one mode."""
    y = g_sum.sum(axis=0) + 1.0 / r_ohm
    transfer = 1.0 / (r_ohm * y)
    rate = y / c_farad
    everywhere = np.ones_like(g_sum)
    return _Line(
        transfer_norm=transfer,
        static=everywhere * transfer / rate,
        slope=everywhere * transfer / rate**2,
        rate=rate[:, None],
        share=(everywhere * transfer).T[:, None, :].copy(),
        complete=np.ones(rate.shape, dtype=bool),
    )


def _ladder(
    g_sum: FloatArray,
    transfer: FloatArray,
    transfer_norm: FloatArray,
    r_ohm: float,
    r_end_ohm: float,
    c_farad: float,
    cut: float,
) -> _Line:
    """Modes slower than `cut` [1/second] of the lines' tridiagonal matrices, r Y = (rate r c) per eigenvalue."""
    n_row, n_line = g_sum.shape
    diagonal = r_ohm * g_sum + 2.0
    diagonal[0] -= 1.0
    diagonal[-1] += r_ohm / (r_ohm + r_end_ohm) - 1.0
    beside = np.full(n_row - 1, -1.0)
    time = r_ohm * c_farad
    modes = [eigh_tridiagonal(d, beside, select="v", select_range=(-1.0, cut * time)) for d in diagonal.T]
    n_mode = np.array([len(mu) for mu, _ in modes])
    rate, share = np.full((n_line, n_mode.max()), cut), np.zeros((n_line, n_mode.max(), n_row))
    for line, (mu, shape) in enumerate(modes):
        rate[line, : len(mu)] = mu / time
        share[line, : len(mu)] = (transfer[:, line] @ shape)[:, None] * shape.T
    static = time * _tridiagonal_solution(diagonal, transfer)
    return _Line(
        transfer_norm=transfer_norm,
        static=static,
        slope=time * _tridiagonal_solution(diagonal, static),
        rate=rate,
        share=share,
        complete=n_mode == n_row,
    )


def _tridiagonal_solution(diagonal: FloatArray, right: FloatArray) -> FloatArray:
    """Solution [n_row, n_line] of matrices with `diagonal` [n_row, n_line] and -1 beside it."""
    pivot, solution = diagonal.copy(), right.copy()
    for i in range(1, len(diagonal)):
        pivot[i] -= 1.0 / pivot[i - 1]
        solution[i] += solution[i - 1] / pivot[i - 1]
    solution[-1] /= pivot[-1]
    for i in range(len(diagonal) - 2, -1, -1):
        solution[i] = (solution[i] + solution[i + 1]) / pivot[i]
    return solution
