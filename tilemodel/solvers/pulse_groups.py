"""Pulse ends of a vector in groups: when rows are on, group by group, and what that says of any bit line.

All lines see the same pulses, so that everything here is computed once a vector, for a line of equal cells: the
groups, the share of its group that a row is on, and the coefficients that `lumped` needs of each line's state within
a group and a segment. Cost: O(n_row n_group) a vector.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["PulseGroups", "group_pulses"]


# Deviation of a segment's Q in a line of unequal cells, times the square root of the rows that are on
_SHAPE_DOUBT = 1.2


class PulseGroups(NamedTuple):
    """Groups of ticks, each ending with a pulse; two of no duration enclose them: all pulses on, and none."""

    group: NDArray[np.int64]
    """Row i is on in the groups before `group`, [n_vec, n_row]."""
    share: NDArray[np.floating[Any]]
    """The part of `group` that it is on, too, [n_vec, n_row]."""
    early: NDArray[np.int64]
    """Group whose mean state has more rows on than there are after the row's end; the next has fewer. [n_vec, n_row]"""
    late_weight: NDArray[np.floating[Any]]
    """How far from `early` to the next that state lies, in rows, [n_vec, n_row]."""
    n_tick: NDArray[np.floating[Any]]
    """Duration [ticks], [n_vec, n_group]."""
    n_end: NDArray[np.floating[Any]]
    """Moments at which pulses end from the middle of a group to the middle of the next, [n_vec, n_group]."""
    excess: NDArray[np.floating[Any]]
    """Excess of the mean state's current over the mean current, per sum g f (1 - f) (w^2 after - w^2 before)."""
    shape: NDArray[np.floating[Any]]
    """Q of equal cells over that of all of them on, per pair of active cells, [n_vec, n_segment, n_group]."""
    shape_doubt: NDArray[np.floating[Any]]
    """How far a line's own Q may lie from that, as a share: the fewer rows are on, the more, [as shape]."""


def group_pulses(
    ticks: NDArray[np.int64], *, n_row_group: int, n_row_segment: int, dtype: type[np.floating[Any]]
) -> PulseGroups:
    """Groups of `ticks` [n_vec, n_row] >= 0 in which up to `n_row_group` rows end before the group does (0: none)."""
    n_vec, n_row = ticks.shape
    bounds, n_group = _boundaries(np.ascontiguousarray(ticks), int(ticks.max(initial=0)), n_row_group)
    n_most = int(n_group.max(initial=0)) + 1
    groups = PulseGroups(
        group=np.zeros((n_vec, n_row), dtype=np.int64),
        share=np.zeros((n_vec, n_row), dtype=dtype),
        early=np.zeros((n_vec, n_row), dtype=np.int64),
        late_weight=np.zeros((n_vec, n_row), dtype=dtype),
        n_tick=np.zeros((n_vec, n_most), dtype=dtype),
        n_end=np.ones((n_vec, n_most), dtype=dtype),
        excess=np.zeros((n_vec, n_most), dtype=dtype),
        shape_doubt=np.zeros((n_vec, -(-n_row // n_row_segment), n_most), dtype=dtype),
        shape=np.zeros((n_vec, -(-n_row // n_row_segment), n_most), dtype=dtype),
    )
    with KERNEL_LOCK:
        _describe(np.ascontiguousarray(ticks), bounds, n_group, n_row_segment, groups)
    return groups


@compiled()
def _boundaries(ticks: Any, n_tick: int, n_row_group: int) -> Any:
    """Ticks at which groups end, [n_vec, 2 + n_tick], the first group from 0 to 0, and their number."""
    n_vec = ticks.shape[0]
    bounds = np.zeros((n_vec, 2 + n_tick), dtype=np.int64)
    n_group = np.ones(n_vec, dtype=np.int64)
    for vector in range(n_vec):
        ending = np.zeros(1 + n_tick, dtype=np.int64)
        for x in ticks[vector]:
            ending[x] += 1
        last = ticks[vector].max()
        inside = 0
        for tick in range(1, last + 1):
            if ending[tick] == 0:
                continue
            inside += ending[tick]
            if inside > n_row_group or tick == last:
                n_group[vector] += 1
                bounds[vector, n_group[vector]] = tick
                inside = 0
    return bounds, n_group


@compiled(parallel=True)
def _describe(ticks: Any, bounds: Any, n_group: Any, n_row_segment: int, groups: Any) -> None:
    for vector in prange(ticks.shape[0]):
        x, bound, count = ticks[vector], bounds[vector], n_group[vector]
        group, share = groups.group[vector], groups.share[vector]
        mean_on = np.zeros(count + 1)
        spread = np.zeros(count + 1)
        for i in range(x.size):
            k = np.searchsorted(bound[1 : count + 1], x[i], side="right") if x[i] > 0 else 0
            group[i] = k
            part = (x[i] - bound[k]) / (bound[k + 1] - bound[k]) if k < count and x[i] > 0 else 0.0
            share[i] = part
            mean_on[:k] += 1.0
            mean_on[k] += part
            spread[k] += part * (1.0 - part)
        _times(x, bound, count, mean_on, spread, groups, vector)
        _ends(x, count, mean_on, groups.early[vector], groups.late_weight[vector])
        _shapes(group, share, count, n_row_segment, groups.shape[vector], groups.shape_doubt[vector])


@compiled()
def _times(x: Any, bound: Any, count: int, mean_on: Any, spread: Any, groups: Any, vector: int) -> None:
    """Durations, moments of ends, and the excess: half the variance in time over spread and span."""
    ending = np.zeros(bound.size, dtype=np.int64)
    for tick in x:
        ending[tick] += 1
    on = x.size - ending[0]
    inside = np.zeros(count + 1)
    for k in range(count):
        variance = 0.0
        for tick in range(bound[k] + 1, bound[k + 1] + 1):
            variance += (on - mean_on[k]) ** 2
            inside[k] += 1.0 if ending[tick] > 0 and tick < bound[k + 1] else 0.0
            on -= ending[tick]
        duration = bound[k + 1] - bound[k]
        groups.n_tick[vector, k] = duration
        span = mean_on[max(k - 1, 0)] - mean_on[k + 1]
        if spread[k] > 0.0 and span > 0.0:
            groups.excess[vector, k] = 0.5 * variance / duration / (spread[k] * span)
    groups.n_end[vector, 0] = max(0.5 * inside[1], 1.0)
    for k in range(1, count):
        groups.n_end[vector, k] = 1.0 + 0.5 * (inside[k] + inside[k + 1])


@compiled()
def _ends(x: Any, count: int, mean_on: Any, early: Any, late_weight: Any) -> None:
    """Where the state after each row's end lies between the groups' mean states."""
    order = np.sort(x)
    for i in range(x.size):
        if x[i] == 0:
            continue
        on = x.size - np.searchsorted(order, x[i], side="right")
        k = 0
        while k < count - 1 and mean_on[k + 1] > on:
            k += 1
        early[i] = k
        span = mean_on[k] - mean_on[k + 1]
        late_weight[i] = min(max((mean_on[k] - on) / span, 0.0), 1.0) if span > 0.0 else 1.0


@compiled()
def _shapes(group: Any, share: Any, count: int, n_row_segment: int, shape: Any, doubt: Any) -> None:
    """sum_{j<m} a_j a_m (m - j) over sum_{j!=m} a_j a_m, a the shares of equal cells, relative to all on."""
    for segment in range(shape.shape[0]):
        first = segment * n_row_segment
        last = min(first + n_row_segment, group.size)
        uniform = (last - first + 1) / 6.0
        for k in range(count):
            behind, total, squares, pairs = 0.0, 0.0, 0.0, 0.0
            for i in range(first, last):
                part = 1.0 if k < group[i] else (share[i] if k == group[i] else 0.0)
                pairs += behind * part
                total += part
                squares += part * part
                behind += total
            others = total * total - squares
            doubt[segment, k] = min(_SHAPE_DOUBT / np.sqrt(max(total, 1.0)), 1.25)
            if others > 1e-9:
                shape[segment, k] = pairs / others / uniform
