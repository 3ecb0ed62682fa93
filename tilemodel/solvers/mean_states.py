"""Charge of gated bit lines by a few mean states each, and its gradient: the fast way for networks.

As in `lumped`, rows are lumped into segments that are two-ports to second order in the wire, and ticks into groups that
are evaluated at their mean state. What is different is for speed: few groups of which every row enters one alone; Q by
the vector's pulses alone; the excess of mean states by the line's total current. No error is estimated here: compare
with more groups and shorter segments. Derivation and measured error: docs/mean_states.md.

The gradient is the exact one of these formulas, with the groups held fixed. Cost: O(n_row + n_segment n_group) a line
and vector.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import get_num_threads, prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled
from tilemodel.solvers.lanes import in_lanes
from tilemodel.solvers.mean_state_rows import LANES, gather, to_rows
from tilemodel.solvers.state_groups import StateGroups, state_groups

__all__ = ["Lumping", "MeanStates"]

Real = NDArray[np.floating[Any]]


class Lumping(NamedTuple):
    """How finely lines are solved."""

    n_row_segment: int
    n_group: int


class _Circuit(NamedTuple):
    """Numbers in the arithmetic's type."""

    zero: Any
    one: Any
    two: Any
    sixth: Any
    tiny: Any
    r: Any
    r_end: Any


class _Work(NamedTuple):
    """Scratch arrays of a worker; the first three [1 or n_segment, n_group, LANES], others [n_group, LANES]."""

    s: Any
    """Sum of active cells; the gradient's by-product replaces it, and `m`."""
    m: Any
    """Sum of active cells times the wires from each to the segment's end."""
    far: Any
    """Conductance behind the segment."""
    y: Any
    """Conductance behind the front; the gradient by it on the way back."""
    ideal: Any
    """Active cells of the line."""
    ended: Any
    """Cells whose pulse ends within the group."""
    of_ideal: Any
    of_ended: Any
    total: Any
    """Of a segment's rows, as they enter, [LANES]; so is `moment`."""
    moment: Any


class MeanStates:
    """Lines `g` [n_row, n_line] [siemens], read behind the last row; arithmetic in `dtype`."""

    def __init__(
        self, g: NDArray[np.floating[Any]], r_ohm: float, r_end_ohm: float, dtype: type[np.floating[Any]]
    ) -> None:
        self._g, self._n_line, self._real = in_lanes(g, LANES, dtype), g.shape[1], dtype
        tiny = float(np.finfo(dtype).tiny) ** 0.25
        self._circuit = _Circuit(*(dtype(x) for x in (0.0, 1.0, 2.0, 1 / 6, tiny, r_ohm, r_end_ohm)))

    def charges(self, ticks: NDArray[np.int64], lumping: Lumping) -> tuple[Real, Real]:
        """Charge a volt and tick [siemens], and without wires, [n_vec, n_line], of `ticks` [n_vec, n_row] >= 0."""
        groups = self._groups(ticks, lumping)
        out = np.zeros((2, len(ticks), len(self._g), LANES), dtype=self._real)
        with KERNEL_LOCK:
            _charges(groups, self._g, lumping.n_row_segment, self._circuit, get_num_threads(), out)
        charge, ideal = out.reshape(2, len(ticks), -1)[..., : self._n_line]
        return charge, ideal

    def gradient(self, ticks: NDArray[np.int64], pull: Real, lumping: Lumping) -> tuple[Real, Real]:
        """Of sum(pull * charge), `pull` [n_vec, n_line]: by the ticks [n_vec, n_row] and by `g` [n_row, n_line].

        A row without a pulse counts with the first group.
        """
        groups, n_worker = self._groups(ticks, lumping), get_num_threads()
        lanes = np.zeros((len(ticks), len(self._g) * LANES), dtype=self._real)
        lanes[:, : self._n_line] = pull
        by_ticks = np.zeros(ticks.shape, dtype=self._real)
        by_g = np.zeros((n_worker, *self._g.shape), dtype=self._real)
        with KERNEL_LOCK:
            pulls = lanes.reshape(len(ticks), -1, LANES)
            _gradient(groups, self._g, lumping.n_row_segment, self._circuit, pulls, n_worker, by_ticks, by_g)
        summed = by_g.sum(axis=0).transpose(1, 0, 2).reshape(ticks.shape[1], -1)
        return by_ticks, np.ascontiguousarray(summed[:, : self._n_line])

    def _groups(self, ticks: NDArray[np.int64], lumping: Lumping) -> StateGroups:
        return state_groups(ticks, n_group=lumping.n_group, n_row_segment=lumping.n_row_segment, dtype=self._real)


@compiled()
def _work(n_kept: int, n_group: int, like: Any) -> Any:
    kept = (n_kept, n_group, LANES)
    state = (n_group, LANES)
    return _Work(
        np.zeros(kept, like.dtype),
        np.zeros(kept, like.dtype),
        np.zeros(kept, like.dtype),
        np.zeros(state, like.dtype),
        np.zeros(state, like.dtype),
        np.zeros(state, like.dtype),
        np.zeros(state, like.dtype),
        np.zeros(state, like.dtype),
        np.zeros(LANES, like.dtype),
        np.zeros(LANES, like.dtype),
    )


@compiled(parallel=True)
def _charges(groups: Any, g: Any, n_row_segment: int, c: Any, n_worker: int, out: Any) -> None:
    n_vec, n_group = groups.n_tick.shape
    for worker in prange(n_worker):
        work = _work(1, n_group, g)
        for block in range(g.shape[0]):
            for vector in range(worker, n_vec, n_worker):
                _forward(groups, vector, g[block], n_row_segment, work, c)
                _add_charge(
                    out[0, vector, block],
                    out[1, vector, block],
                    work,
                    groups.n_tick[vector],
                    groups.variance[vector],
                    c,
                )


@compiled(parallel=True)
def _gradient(
    groups: Any, g: Any, n_row_segment: int, c: Any, pull: Any, n_worker: int, by_ticks: Any, by_g: Any
) -> None:
    n_vec, n_group = groups.n_tick.shape
    n_segment = groups.first.shape[1]
    for worker in prange(n_worker):
        work = _work(n_segment, n_group, g)
        for block in range(g.shape[0]):
            for vector in range(worker, n_vec, n_worker):
                n_tick = groups.n_tick[vector]
                _forward(groups, vector, g[block], n_row_segment, work, c)
                _seed(work, pull[vector, block], n_tick, groups.variance[vector], c)
                for segment in range(n_segment - 1, -1, -1):
                    begin = segment * n_row_segment
                    end = min(begin + n_row_segment, g.shape[1])
                    _step_back(work, segment, groups.pairs[vector, segment], n_tick, g.dtype.type(end - begin), c)
                    to_rows(groups, vector, segment, end, g[block], work, by_ticks[vector], by_g[worker, block])


@compiled()
def _forward(groups: Any, vector: int, g: Any, n_row_segment: int, work: Any, c: Any) -> None:
    """Segments from the far end to the clamp."""
    work.y[:] = c.zero
    work.ideal[:] = c.zero
    work.ended[:] = c.zero
    for segment in range(groups.first.shape[1]):
        kept = min(segment, work.s.shape[0] - 1)
        begin = segment * n_row_segment
        end = min(begin + n_row_segment, g.shape[0])
        s, m = work.s[kept], work.m[kept]
        gather(g, groups.order[vector], groups.first[vector, segment], groups.share[vector], end, s, m, work, c)
        wires = g.dtype.type(end - begin)
        pairs, n_tick = groups.pairs[vector, segment], groups.n_tick[vector]
        _step(work.y, work.far[kept], work.ideal, s, m, pairs, n_tick, wires, c)


@compiled(fastmath={"contract"})
def _step(y: Any, behind: Any, ideal: Any, s: Any, m: Any, pairs: Any, n_tick: Any, wires: Any, c: Any) -> None:
    """From behind a segment to its clamp end."""
    rw, bend = c.r * wires, c.r * c.r * (wires * wires - c.one) * c.sixth
    for k in range(y.shape[0]):
        if n_tick[k] == c.zero:
            continue
        rq = c.r * pairs[k]
        for n in range(LANES):
            far, on, rm = y[k, n], s[k, n], c.r * m[k, n]
            passed = c.one / (c.one + rw * far + rm + bend * far * on)
            behind[k, n] = far
            y[k, n] = (far + on + far * (rw * on - rm) + rq * on * on) * passed
            ideal[k, n] += on


@compiled(fastmath={"contract"})
def _add_charge(charge: Any, without: Any, work: Any, n_tick: Any, variance: Any, c: Any) -> None:
    """Of all groups: the drop of each mean state, and what it has less than the group's states in the mean."""
    for k in range(n_tick.size):
        for n in range(LANES):
            ideal = max(work.ideal[k, n], c.tiny)
            current = work.y[k, n] / (c.one + c.r_end * work.y[k, n])
            z = work.ended[k, n] * current / (ideal * ideal)
            charge[n] += n_tick[k] * (ideal - (ideal - current) * (c.one + variance[k] * z * z))
            without[n] += n_tick[k] * ideal


@compiled(fastmath={"contract"})
def _seed(work: Any, pull: Any, n_tick: Any, variance: Any, c: Any) -> None:
    """Gradients of `_add_charge`; that by y replaces y."""
    for k in range(n_tick.size):
        for n in range(LANES):
            ideal = max(work.ideal[k, n], c.tiny)
            near = c.one / (c.one + c.r_end * work.y[k, n])
            current, drop_pull = work.y[k, n] * near, pull[n] * n_tick[k]
            per_ended = current / (ideal * ideal)
            z = work.ended[k, n] * per_ended
            factor = c.one + variance[k] * z * z
            by_z = -drop_pull * (ideal - current) * c.two * variance[k] * z
            work.of_ended[k, n] = by_z * per_ended
            work.of_ideal[k, n] = drop_pull * (c.one - factor) - c.two * by_z * z / ideal
            work.y[k, n] = (drop_pull * factor + by_z * work.ended[k, n] / (ideal * ideal)) * near * near


@compiled(fastmath={"contract"})
def _step_back(work: Any, segment: int, pairs: Any, n_tick: Any, wires: Any, c: Any) -> None:
    """Gradients of `_step`: by y in place, by S and M in their places."""
    rw, bend = c.r * wires, c.r * c.r * (wires * wires - c.one) * c.sixth
    y, s, m = work.y, work.s[segment], work.m[segment]
    for k in range(y.shape[0]):
        rq = c.r * pairs[k]
        for n in range(LANES):
            far, on, rm = work.far[segment, k, n], s[k, n], c.r * m[k, n]
            passed = c.one / (c.one + rw * far + rm + bend * far * on)
            near = (far + on + far * (rw * on - rm) + rq * on * on) * passed
            by_top = y[k, n] * passed
            by_bottom = -by_top * near
            s[k, n] = by_top * (c.one + rw * far + c.two * rq * on) + by_bottom * bend * far + work.of_ideal[k, n]
            m[k, n] = c.r * (by_bottom - by_top * far)
            y[k, n] = by_top * (c.one + rw * on - rm) + by_bottom * (rw + bend * on)
        if n_tick[k] == c.zero:
            s[k] = c.zero
            m[k] = c.zero
