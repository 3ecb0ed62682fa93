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
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled
from tilemodel.solvers.lanes import in_lanes

__all__ = ["gated_charges"]

FloatArray = NDArray[np.float64]

# Bit lines that one loop handles side by side: they fill the processor's vector registers; fewer for a narrow tile
_LANES, _FEWEST_LANES = 32, 8
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
    n_lane = min(_LANES, _FEWEST_LANES * -(-n_line // _FEWEST_LANES))
    with KERNEL_LOCK:
        charges = _charges(
            np.ascontiguousarray(ticks),
            in_lanes(g, n_lane),
            in_lanes(curvature if curvature.any() else curvature[:0], n_lane),
            in_lanes(pulse_charge if pulse_charge.any() else pulse_charge[:0], n_lane),
            c_pulse_farad,
            r_ohm,
            r_end_ohm,
            c_farad,
            v_read_volt,
            t_lsb_second,
        )
    result: FloatArray = charges[:, :n_line]
    return result


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
    n_group, n_lane = g.shape[0], g.shape[2]
    charges = np.empty((n_vec, n_group * n_lane))
    for task in prange(n_vec * n_group):
        vector, group = task // n_group, task % n_group
        charges[vector, group * n_lane : (group + 1) * n_lane] = _group_charge(
            ticks[vector], g[group], curvature[group], pulse[group], c_pulse, r, r_end, c, v, t_lsb
        )
    return charges


@compiled()
def _group_charge(
    x: Any, g: Any, curvature: Any, pulse: Any, c_pulse: float, r: float, r_end: float, c: float, v: float, t_lsb: float
) -> Any:
    """Charges of a block of lines for one vector: a forward sweep an event, and one back where transfers count."""
    n_row, n_lane = g.shape
    charge = np.zeros(n_lane)
    y, w, flow = np.empty(n_lane), np.empty(n_lane), np.empty(n_lane)
    factor = np.empty((n_row, n_lane))
    w_before = np.ones((n_row, n_lane))
    curved, injects = curvature.size > 0, pulse.size > 0 or c_pulse != 0.0
    ended = 0
    while True:
        upcoming = _next_end(x, ended)
        _look_away(x, g, r, r_end, upcoming, factor, y)
        flow[:] = v * y
        if curved or injects or c > 0.0:
            w[:] = 1.0
            for i in range(n_row - 1, -1, -1):
                _multiply(w, factor, i)
                if c > 0.0:
                    _step(charge, w, w_before, i, 0.5 * v * c)
                if curved and upcoming != _NONE and x[i] >= upcoming:
                    _bend(flow, w, curvature, i, v * v)
                if injects and 0 < x[i] == ended:
                    _inject(charge, w, g, pulse, i, c_pulse * v)
        if upcoming == _NONE:
            return charge
        charge += (upcoming - ended) * t_lsb * flow
        ended = upcoming


@compiled(fastmath={"contract"})
def _look_away(x: Any, g: Any, r: float, r_end: float, upcoming: int, factor: Any, y: Any) -> None:
    """From the far end to the clamp: `factor` 1 / (1 + r y) of each node, of the rows still on until `upcoming`."""
    y[:] = 0.0
    for i in range(g.shape[0]):
        segment = r + r_end if i == g.shape[0] - 1 else r
        if upcoming != _NONE and x[i] >= upcoming:
            for n in range(g.shape[1]):
                seen = y[n] + g[i, n]
                share = 1.0 / (1.0 + segment * seen)
                factor[i, n] = share
                y[n] = seen * share
        else:
            for n in range(g.shape[1]):
                share = 1.0 / (1.0 + segment * y[n])
                factor[i, n] = share
                y[n] *= share


@compiled(fastmath={"contract"})
def _multiply(w: Any, factor: Any, i: int) -> None:
    """From the clamp to the far end: the transfer of node i."""
    for n in range(w.size):
        w[n] *= factor[i, n]


@compiled(fastmath={"contract"})
def _step(charge: Any, w: Any, w_before: Any, i: int, scale: float) -> None:
    """Capacitor of node i: its squared step."""
    for n in range(w.size):
        charge[n] += scale * (w[n] - w_before[i, n]) ** 2
        w_before[i, n] = w[n]


@compiled(fastmath={"contract"})
def _bend(flow: Any, w: Any, curvature: Any, i: int, v2: float) -> None:
    """What the cell of row i carries beyond its conductance at full voltage."""
    for n in range(w.size):
        flow[n] += v2 * curvature[i, n] * w[n] * w[n] * (1.0 - w[n])


@compiled()
def _inject(charge: Any, w: Any, g: Any, pulse: Any, i: int, c_v: float) -> None:
    """Charge at the end of row i's pulse."""
    for n in range(w.size):
        if g[i, n] > 0.0:
            q = c_v * w[n]
            if pulse.size > 0:
                q += pulse[i, n]
            charge[n] += q * w[n]


@compiled()
def _next_end(x: Any, ended: int) -> int:
    """The next tick at which a pulse ends, `_NONE` if none does."""
    following = _NONE
    for i in range(x.size):
        if x[i] > ended and (following == _NONE or x[i] < following):
            following = x[i]
    return following
