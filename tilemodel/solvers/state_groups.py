"""Pulse ends of a vector in a few groups, for `mean_states`: which rows end in which, and what all lines share of it.

Everything here is computed once a vector, for a line of equal cells. Cost: O(n_row n_group) a vector.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["StateGroups", "state_groups"]

IntArray = NDArray[np.int64]
Real = NDArray[np.floating[Any]]

# Groups lie so that each has the same sum of this power of the pulses that end at a tick: few rows on for long need
# groups as much as many that end at once
_POWER = 1.0 / 3.0


class StateGroups(NamedTuple):
    """Groups of ticks; some may be empty, with no duration and no rows."""

    order: IntArray
    """Rows of each segment by their group, those without a pulse last, [n_vec, n_row]."""
    first: IntArray
    """Where in `order` the rows of a group begin, and those without a pulse, [n_vec, n_segment, n_group + 1]."""
    share: Real
    """The part of its last group that a row is on, 0 without a pulse, [n_vec, n_row]."""
    pairs: Real
    """Q / S^2 of a segment of equal cells (docs/mean_states.md), [n_vec, n_segment, n_group]."""
    n_tick: Real
    """Duration [ticks], [n_vec, n_group]."""
    variance: Real
    """Of the rows on, over the square of those that end in the group, [n_vec, n_group]."""


def state_groups(ticks: IntArray, *, n_group: int, n_row_segment: int, dtype: type[np.floating[Any]]) -> StateGroups:
    """Groups of `ticks` [n_vec, n_row] >= 0."""
    n_vec, n_row = ticks.shape
    n_segment = -(-n_row // n_row_segment)
    groups = StateGroups(
        order=np.zeros((n_vec, n_row), dtype=np.int64),
        first=np.zeros((n_vec, n_segment, n_group + 1), dtype=np.int64),
        share=np.zeros((n_vec, n_row), dtype=dtype),
        pairs=np.zeros((n_vec, n_segment, n_group), dtype=dtype),
        n_tick=np.zeros((n_vec, n_group), dtype=dtype),
        variance=np.zeros((n_vec, n_group), dtype=dtype),
    )
    with KERNEL_LOCK:
        _describe(np.ascontiguousarray(ticks), n_row_segment, groups)
    return groups


@compiled(parallel=True)
def _describe(ticks: Any, n_row_segment: int, groups: Any) -> None:
    n_group = groups.n_tick.shape[1]
    weight = np.arange(ticks.shape[1] + 1) ** _POWER
    for vector in prange(ticks.shape[0]):
        x = ticks[vector]
        ending = np.zeros(x.max() + 1, dtype=np.int64)
        for tick in x:
            ending[tick] += 1
        bound, group = _bounds(ending, weight, n_group)
        _times(ending, bound, groups.n_tick[vector], groups.variance[vector])
        share = groups.share[vector]
        for i in range(x.size):
            if x[i] > 0:
                k = group[x[i]]
                share[i] = (x[i] - bound[k]) / (bound[k + 1] - bound[k])
        _sort(x, group, n_group, n_row_segment, groups.order[vector], groups.first[vector])
        _pairs(x, bound, n_row_segment, groups.pairs[vector])


@compiled()
def _bounds(ending: Any, weight: Any, n_group: int) -> Any:
    """Ticks between which groups lie [n_group + 1], and the group of pulses by their length, [n_tick_max + 1]."""
    last = ending.size - 1
    bound = np.zeros(n_group + 1, dtype=np.int64)
    group = np.full(last + 1, n_group)
    total = 0.0
    for tick in range(1, last + 1):
        total += weight[ending[tick]]
    k, passed = 0, 0.0
    for tick in range(1, last + 1):
        group[tick] = k
        passed += weight[ending[tick]]
        while k < n_group - 1 and passed * n_group >= (k + 1) * total * (1.0 - 1e-12):
            k += 1
            bound[k] = tick
    bound[k + 1 :] = last
    return bound, group


@compiled()
def _times(ending: Any, bound: Any, n_tick: Any, variance: Any) -> None:
    on = ending[1:].sum()
    for k in range(n_tick.size):
        duration, before = bound[k + 1] - bound[k], on
        total, squares = 0, 0
        for tick in range(bound[k] + 1, bound[k + 1] + 1):
            total += on
            squares += on * on
            on -= ending[tick]
        n_tick[k] = duration
        if before > on:
            mean = total / duration
            variance[k] = max(squares / duration - mean * mean, 0.0) / float(before - on) ** 2


@compiled()
def _sort(x: Any, group: Any, n_group: int, n_row_segment: int, order: Any, first: Any) -> None:
    for segment in range(first.shape[0]):
        begin = segment * n_row_segment
        end = min(begin + n_row_segment, x.size)
        place = np.zeros(n_group + 2, dtype=np.int64)
        for i in range(begin, end):
            place[1 + (group[x[i]] if x[i] > 0 else n_group)] += 1
        place[0] = begin
        for k in range(n_group + 1):
            place[k + 1] += place[k]
        first[segment] = place[: n_group + 1]
        for i in range(begin, end):
            k = group[x[i]] if x[i] > 0 else n_group
            order[place[k]] = i
            place[k] += 1


@compiled()
def _pairs(x: Any, bound: Any, n_row_segment: int, pairs: Any) -> None:
    """sum_{j<m} a_j a_m (m - j) over (sum a)^2, a the shares of rows."""
    n_segment, n_group = pairs.shape
    behind, total, found = np.zeros(n_group), np.zeros(n_group), np.zeros(n_group)
    per_tick = np.zeros(n_group)
    for k in range(n_group):
        per_tick[k] = 1.0 / max(bound[k + 1] - bound[k], 1)
    for segment in range(n_segment):
        behind[:], total[:], found[:] = 0.0, 0.0, 0.0
        begin = segment * n_row_segment
        for i in range(begin, min(begin + n_row_segment, x.size)):
            for k in range(n_group):
                part = min(max((x[i] - bound[k]) * per_tick[k], 0.0), 1.0)
                found[k] += behind[k] * part
                total[k] += part
                behind[k] += total[k]
        for k in range(n_group):
            if total[k] > 0.0:
                pairs[segment, k] = found[k] / (total[k] * total[k])
