"""Charge of gated bit lines with rows lumped into segments and pulse ends into groups: approximate, with its error.

The exact way (`gated`) sweeps over every row for every pulse end. Two things make that unnecessary:

- A segment of L rows is a two-port. With y the conductance behind it, S the sum of its active cells, M the sum
  weighted with the wires between each cell and the segment's end, to second order in the wire r,

      y' = (y + S + r (y (L S - M) + Q)) / (1 + r (L y + M) + r^2 y K),      Q = sum_{j<m} g_j g_m (m - j).

  S and M are linear in which cells are active, so that a row enters each once, at the end of its pulse. Q takes all
  pairs of active cells; it is estimated from S, the line's cells and the vector's pulses. K is that of cells spread
  evenly, (L^2 - 1) S / 6.
- The current of a ladder is a concave function of its conductances. One evaluation at the mean state of a group of
  ticks exceeds the group's mean current by the variance of the state within it times half the curvature, which the
  transfers w of the neighbouring groups tell. It is subtracted.

Cost: O(n_row + n_segment n_group) a line and vector. Derivation and error: docs/lumped.md.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled
from tilemodel.solvers.lanes import in_lanes
from tilemodel.solvers.lumped_steps import (
    LANES,
    add_capacitors,
    add_curvature,
    add_excess,
    add_pulses,
    doubt_segment,
    enter_clamp,
    gather,
    gather_active,
    gather_spread,
    pass_segment,
    step_back,
)
from tilemodel.solvers.pulse_groups import group_pulses

__all__ = ["LumpedCharges", "LumpedLines", "lump_lines", "lumped_charges"]

FloatArray = NDArray[np.float64]
Real = NDArray[np.floating[Any]]

# Rounding of the sums over rows, in units of the arithmetic's own
_ROUNDING = 32
# What is left of the excess of mean states: a share of what is subtracted, and of each part's bound (they add up as
# the parts of a random walk: a cell that dominates its line ends at another moment than the mean cell)
_EXCESS_LEFT, _EXCESS_PART = 0.2, 0.45
# Of a pulse's charge: how far the transfer may lie from the line between two groups, as a share of their difference
_BETWEEN_GROUPS = 0.25
# The second order in r that is left out, in units of (r L)^2 S^2 y
_SECOND_ORDER = 0.1


class LumpedLines(NamedTuple):
    """Bit lines cut into segments of `n_row_segment` rows; [n_block, ..., LANES], row 0 farthest from the clamp."""

    g: Real
    """Active cells [siemens], [n_block, n_row, LANES]."""
    curvature: Real
    """rho g^3 [siemens/volt], same shape; of size 0 if none is."""
    pulse: Real
    """Charge at the end of a cell's pulse [coulomb], same shape; of size 0 if none is."""
    q: Real
    """Q = q[0] S (S - q[1]) with all cells on, q[1] = sum g^2 / sum g; q[2]: the root of the rows over the number of
    equal cells that the line's count as, S / q[1]; [n_block, n_segment, 3, LANES]."""
    rows: Real
    """Of each segment, [n_segment]."""
    n_row_segment: int
    n_line: int


class LumpedCharges(NamedTuple):
    """Charges [coulomb] and estimates of their errors, each [n_vec, n_line]."""

    charge: FloatArray
    time_error: FloatArray
    """Of grouping the pulses' ends."""
    space_error: FloatArray
    """Of lumping the rows."""
    rounding_error: FloatArray


class _Circuit(NamedTuple):
    """Numbers of the circuit in the arithmetic's type."""

    zero: Any
    one: Any
    half: Any
    sixth: Any
    between: Any
    in_k: Any
    in_second: Any
    r: Any
    r_end: Any
    v: Any
    c_pulse: Any
    c_wire: Any


def lump_lines(
    g: FloatArray, curvature: FloatArray, pulse_charge: FloatArray, n_row_segment: int, dtype: type[np.floating[Any]]
) -> LumpedLines:
    """Cut lines `g` [siemens], `curvature` [siemens/volt], `pulse_charge` [coulomb], each [n_row, n_line]."""
    n_row, n_line = g.shape
    q = np.zeros((-(-n_row // n_row_segment), 3, n_line))
    for segment, first in enumerate(range(0, n_row, n_row_segment)):
        part = g[first : first + n_row_segment]
        total = np.cumsum(part, axis=0)
        pairs = (part[1:] * np.cumsum(total, axis=0)[:-1]).sum(axis=0)
        squares, whole = (part**2).sum(axis=0), total[-1]
        others = whole**2 - squares
        q[segment, 0] = np.divide(pairs, others, out=np.zeros(n_line), where=others > 1e-12 * whole**2)
        q[segment, 1] = np.divide(squares, whole, out=np.zeros(n_line), where=whole > 0)
        q[segment, 2] = np.sqrt(len(part) * np.divide(squares, whole**2, out=np.zeros(n_line), where=whole > 0))
    lanes = in_lanes(q.reshape(-1, n_line), LANES, dtype)
    return LumpedLines(
        g=in_lanes(g, LANES, dtype),
        curvature=in_lanes(curvature if curvature.any() else curvature[:0], LANES, dtype),
        pulse=in_lanes(pulse_charge if pulse_charge.any() else pulse_charge[:0], LANES, dtype),
        q=lanes.reshape(len(lanes), -1, 3, LANES),
        rows=np.diff(np.append(np.arange(0, n_row, n_row_segment), n_row)).astype(dtype),
        n_row_segment=n_row_segment,
        n_line=n_line,
    )


def lumped_charges(
    ticks: NDArray[np.int64],
    lines: LumpedLines,
    *,
    n_row_group: int,
    c_pulse_farad: float,
    r_ohm: float,
    r_end_ohm: float,
    c_farad: float,
    v_read_volt: float,
    t_lsb_second: float,
) -> LumpedCharges:
    """Charges of `ticks` [n_vec, n_row] >= 0; up to `n_row_group` rows end within a group (0: exact in time).

    The other arguments are those of `gated.gated_charges`.
    """
    real = lines.g.dtype.type
    groups = group_pulses(ticks, n_row_group=n_row_group, n_row_segment=lines.n_row_segment, dtype=real)
    known = (0.0, 1.0, 0.5, 1 / 6, _BETWEEN_GROUPS, 1 / 6, _SECOND_ORDER)
    numbers = (*known, r_ohm, r_end_ohm, v_read_volt, c_pulse_farad, c_farad)
    with KERNEL_LOCK:
        results = _batch(groups, lines, _Circuit(*(real(x) for x in numbers)), get_num_threads())
    per_line = results.transpose(2, 0, 1, 3).reshape(7, len(ticks), -1)
    flow, excess, deviation, second, injected, doubt, spread = per_line[..., : lines.n_line]
    excess, second = excess * t_lsb_second, second * t_lsb_second
    charge = flow * t_lsb_second - excess + injected
    return LumpedCharges(
        charge=charge,
        time_error=_EXCESS_LEFT * np.abs(excess) + _EXCESS_PART * np.sqrt(spread) * t_lsb_second + doubt,
        space_error=np.sqrt(deviation) * t_lsb_second + second,
        rounding_error=_ROUNDING * float(np.finfo(real).eps) * np.abs(charge),
    )


@compiled(parallel=True)
def _batch(groups: Any, lines: Any, c: Any, n_worker: int) -> Any:
    """[n_vec, n_block, 7, LANES]: flow, excess, deviation squared, second order [ampere ticks], injected, doubt,
    squares of the excess' parts."""
    n_vec, n_block = groups.group.shape[0], lines.g.shape[0]
    n_segment, n_group = groups.shape.shape[1:]
    real = lines.g.dtype
    results = np.zeros((n_vec, n_block, 7, LANES))
    planes = np.empty((n_worker, 4, n_group, LANES), real)
    ratios = np.empty((n_worker, n_segment, n_group, LANES), real)
    for worker in prange(n_worker):
        for task in range(worker, n_vec * n_block, n_worker):
            vector, block = task % n_vec, task // n_vec
            _block_charges(groups, vector, lines, block, c, planes[worker], ratios[worker], results[vector, block])
    return results


@compiled()
def _block_charges(
    groups: Any, vector: int, lines: Any, block: int, c: Any, planes: Any, ratios: Any, out: Any
) -> None:
    """One vector, `LANES` lines: segments from the far end to the clamp, then back."""
    y, s, m, w = planes[0], planes[1], planes[2], planes[3]
    g, q = lines.g[block], lines.q[block]
    group, share, n_tick = groups.group[vector], groups.share[vector], groups.n_tick[vector]
    n_row, n_segment = g.shape[0], q.shape[0]
    y[:] = c.zero
    for segment in range(n_segment):
        first = segment * lines.n_row_segment
        last = min(first + lines.n_row_segment, n_row)
        wires = lines.rows[segment]
        gather(s, m, g, group, share, first, last, c.zero, c.one)
        shape = groups.shape[vector, segment]
        second = c.v * (c.r * wires) ** 2
        doubt = groups.shape_doubt[vector, segment]
        seconds = c.in_k * second, c.in_second * second
        doubt_segment(out[2], out[3], s, y, q[segment], n_tick, doubt, c.v * c.r, *seconds)
        pass_segment(y, ratios[segment], s, m, q[segment], shape, wires, c.r, c.zero, c.one, c.sixth)
    enter_clamp(out[0], y, w, n_tick, c.r_end, c.v, c.one)
    for segment in range(n_segment - 1, -1, -1):
        first = segment * lines.n_row_segment
        last = min(first + lines.n_row_segment, n_row)
        step_back(w, m, ratios[segment], c.half - c.half / lines.rows[segment])
        gather_spread(s, g, group, share, first, last, c.zero, c.one)
        add_excess(out[1], out[6], s, m, q[segment, 2], n_tick * groups.excess[vector], n_tick, c.v)
        if lines.curvature.size > 0:
            gather_active(s, lines.curvature[block], group, share, first, last, c.zero, c.one)
            add_curvature(out[0], out[3], s, m, ratios[segment], n_tick, c.v * c.v, c.one)
        if c.c_wire > c.zero:
            add_capacitors(out[4], m, groups.n_end[vector], lines.rows[segment] * c.half * c.v * c.c_wire, c.one)
        if lines.pulse.size > 0 or c.c_pulse != c.zero:
            add_pulses(out[4], out[5], lines, block, groups, vector, first, last, m, ratios[segment], c)
