"""Event-by-event charge of gated bit lines: the network changes only when a pulse ends.

Between two events the line is a ladder (see `ladder`) of the cells that are still on. All of them see the
same voltage V behind their conductance, so that node i lies at V (1 - w_i) from the clamp and every term
below needs the transfer w alone. With w_k the transfer after event k and w = 1 at rest:

- conduction:      sum_k dt_k V sum_on g_i w_ki
- curvature:       sum_k dt_k V^2 sum_on s_i w_ki^2 (1 - w_ki), s_i = rho g_i^3: the first-order change of the
                   current of cells whose resistance is R_0 + rho i (their conductance g_i holds at V)
- wire capacitors: sum_k (V c / 2) sum_i (w_ki - w_{k-1,i})^2
- pulse ends:      sum_i (p_i + c_p V w_ki) w_ki, k the event that ends row i's pulse

Conduction is exact. The capacitors' term is exact for switching in no time and a line that settles between
events; an edge that is slow against the line's time constant lets it follow and the term overstates what is
left. Curvature and pulse charges are of first order. Derivation and validity: docs/gated_1t1r.md.
"""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["gated_charges"]

FloatArray = NDArray[np.float64]

# Bit lines that one loop handles side by side: they fill the processor's vector registers
_LANES = 32
_NONE = -1


def gated_charges(
    ticks: NDArray[np.int64],
    g: FloatArray,
    *,
    curvature: FloatArray,
    pulse_charge: FloatArray,
    c_pulse_farad: float,
    r_ohm: float,
    r_end_ohm: float,
    c_farad: float,
    v_read_volt: float,
    t_lsb_second: float,
) -> FloatArray:
    """Charge of each line [coulomb], [n_vec, n_line].

    `ticks` [n_vec, n_row] >= 0; `g` [siemens], `curvature` (rho g^3) [siemens/volt] and `pulse_charge`
    [coulomb], each [n_row, n_line], row 0 farthest from the clamp; `r_end_ohm` lies behind the last segment.
    """
    n_line = g.shape[1]
    with KERNEL_LOCK:
        charges = _charges(
            np.ascontiguousarray(ticks),
            _in_lanes(g),
            _in_lanes(curvature),
            _in_lanes(pulse_charge),
            c_pulse_farad,
            r_ohm,
            r_end_ohm,
            c_farad,
            v_read_volt,
            t_lsb_second,
        )
    result: FloatArray = charges[:, :n_line]
    return result


def _in_lanes(per_line: FloatArray) -> FloatArray:
    """[n_row, n_line] as [n_group, n_row, _LANES], filled up with zeros."""
    n_row, n_line = per_line.shape
    n_group = -(-n_line // _LANES)
    padded = np.zeros((n_row, n_group * _LANES))
    padded[:, :n_line] = per_line
    return np.ascontiguousarray(padded.reshape(n_row, n_group, _LANES).transpose(1, 0, 2))


@compiled(parallel=True)
def _charges(
    ticks: Any,
    g: Any,
    curvature: Any,
    pulse: Any,
    c_pulse: float,
    r: float,
    r_end: float,
    c: float,
    v: float,
    t_lsb: float,
) -> Any:
    n_vec = ticks.shape[0]
    n_group = g.shape[0]
    charges = np.empty((n_vec, n_group * _LANES))
    for task in prange(n_vec * n_group):
        vector, group = task // n_group, task % n_group
        charges[vector, group * _LANES : (group + 1) * _LANES] = _group_charge(
            ticks[vector], g[group], curvature[group], pulse[group], c_pulse, r, r_end, c, v, t_lsb
        )
    return charges


@compiled()
def _group_charge(
    x: Any, g: Any, curvature: Any, pulse: Any, c_pulse: float, r: float, r_end: float, c: float, v: float, t_lsb: float
) -> Any:
    """Charges of `_LANES` lines for one vector: a forward and a backward sweep an event."""
    charge = np.zeros(_LANES)
    factor = np.empty((x.size, _LANES))
    w_before = np.ones((x.size, _LANES))
    ended = 0
    while True:
        upcoming = _next_end(x, ended)
        _look_away(x, g, r, r_end, upcoming, factor)
        current, moved = _look_back(x, g, curvature, pulse, c_pulse, v, ended, upcoming, factor, w_before, charge)
        for n in range(_LANES):
            charge[n] += 0.5 * v * c * moved[n]
            charge[n] += max(upcoming - ended, 0) * t_lsb * current[n]
        if upcoming == _NONE:
            return charge
        ended = upcoming


@njit(inline="always", error_model="numpy")
def _look_away(x: Any, g: Any, r: float, r_end: float, upcoming: int, factor: Any) -> None:
    """From the far end to the clamp: `factor` 1 / (1 + r y) of each node, of the rows still on until `upcoming`."""
    y = np.zeros(_LANES)
    for i in range(x.size):
        if upcoming != _NONE and x[i] >= upcoming:
            for n in range(_LANES):
                y[n] += g[i, n]
        segment = r + r_end if i == x.size - 1 else r
        for n in range(_LANES):
            factor[i, n] = 1.0 / (1.0 + segment * y[n])
            y[n] *= factor[i, n]


@njit(inline="always", error_model="numpy")
def _look_back(
    x: Any,
    g: Any,
    curvature: Any,
    pulse: Any,
    c_pulse: float,
    v: float,
    ended: int,
    upcoming: int,
    factor: Any,
    w_before: Any,
    charge: Any,
) -> Any:
    """From the clamp to the far end: the transfer w of each node, and what follows from it.

    Returns the clamp current and the sum of squared changes of w; adds the charge of the pulses that ended
    at `ended`, and leaves w in `w_before`.
    """
    w = np.ones(_LANES)
    current = np.zeros(_LANES)
    moved = np.zeros(_LANES)
    for i in range(x.size - 1, -1, -1):
        for n in range(_LANES):
            w[n] *= factor[i, n]
            moved[n] += (w[n] - w_before[i, n]) ** 2
            w_before[i, n] = w[n]
        if upcoming != _NONE and x[i] >= upcoming:
            for n in range(_LANES):
                current[n] += v * w[n] * (g[i, n] + v * curvature[i, n] * w[n] * (1.0 - w[n]))
        elif ended > 0 and x[i] == ended:
            for n in range(_LANES):
                if g[i, n] > 0.0:
                    charge[n] += (pulse[i, n] + c_pulse * v * w[n]) * w[n]
    return current, moved


@compiled()
def _next_end(x: Any, ended: int) -> int:
    """The next tick at which a pulse ends, `_NONE` if none does."""
    following = _NONE
    for i in range(x.size):
        if x[i] > ended and (following == _NONE or x[i] < following):
            following = x[i]
    return following
