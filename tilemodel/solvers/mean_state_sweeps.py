"""Mean states of a line segment by segment: from the far end to the clamp, and gradients back. See `mean_states`."""

from typing import Any, NamedTuple

import numpy as np

from tilemodel.solvers.compile import compiled
from tilemodel.solvers.mean_state_rows import LANES, gather

__all__ = ["Circuit", "add_charge", "seed", "step_back", "to_clamp", "work_arrays"]


class Circuit(NamedTuple):
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


@compiled()
def work_arrays(n_kept: int, n_group: int, like: Any) -> Any:
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


@compiled()
def to_clamp(groups: Any, vector: int, g: Any, n_row_segment: int, work: Any, c: Any) -> None:
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
def add_charge(charge: Any, without: Any, work: Any, n_tick: Any, variance: Any, c: Any) -> None:
    """Of all groups: the drop of each mean state, and what it has less than the group's states in the mean."""
    for k in range(n_tick.size):
        for n in range(LANES):
            ideal = max(work.ideal[k, n], c.tiny)
            current = work.y[k, n] / (c.one + c.r_end * work.y[k, n])
            z = work.ended[k, n] * current / (ideal * ideal)
            charge[n] += n_tick[k] * (ideal - (ideal - current) * (c.one + variance[k] * z * z))
            without[n] += n_tick[k] * ideal


@compiled(fastmath={"contract"})
def seed(work: Any, pull: Any, n_tick: Any, variance: Any, c: Any) -> None:
    """Gradients of `add_charge`; that by y replaces y."""
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
def step_back(work: Any, segment: int, pairs: Any, n_tick: Any, wires: Any, c: Any) -> None:
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
