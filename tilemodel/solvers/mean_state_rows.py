"""Rows of a segment to the sums of `mean_states`, and gradients by these sums back to rows."""

from typing import Any

from numba import uint64

from tilemodel.solvers.compile import compiled

__all__ = ["LANES", "gather", "of_each_row", "to_rows"]

LANES = 128
"""Bit lines that one loop handles side by side."""


@compiled()
def gather(g: Any, order: Any, first: Any, share: Any, end: int, s: Any, m: Any, work: Any, c: Any) -> None:
    """S and M of the groups' mean states, from the last group to the first; what ends in each."""
    total, moment = work.total, work.moment
    _clear(total, moment, c.zero)
    for k in range(s.shape[0] - 1, -1, -1):
        i, stop = first[k], first[k + 1]
        _begin(s[k], m[k], work.ended[k], total, moment)
        while i + 1 < stop:
            _four_rows(g, order, i, stop, share, end, total, moment, s[k], m[k])
            i += 4
        if i < stop:
            _one_row(g, order[i], share, end, total, moment, s[k], m[k])
        _add(work.ended[k], total)


@compiled()
def _clear(total: Any, moment: Any, zero: Any) -> None:
    for n in range(LANES):
        total[n] = zero
        moment[n] = zero


@compiled(fastmath={"contract"})
def _begin(s: Any, m: Any, ended: Any, total: Any, moment: Any) -> None:
    """Rows of later groups are on."""
    for n in range(LANES):
        s[n] = total[n]
        m[n] = moment[n]
        ended[n] -= total[n]


@compiled(fastmath={"contract"})
def _add(to: Any, what: Any) -> None:
    for n in range(LANES):
        to[n] += what[n]


@compiled(fastmath={"contract"})
def _four_rows(
    g: Any, order: Any, i: int, stop: int, share: Any, end: int, total: Any, moment: Any, s: Any, m: Any
) -> None:
    """As `_one_row`, for two to four at once: what is missing is the first, without weight."""
    one, none = g.dtype.type(1), g.dtype.type(0)
    i0, i1 = order[i], order[i + 1]
    i2 = order[i + 2] if i + 2 < stop else i0
    i3 = order[i + 3] if i + 3 < stop else i0
    w2 = one if i + 2 < stop else none
    w3 = one if i + 3 < stop else none
    p0, p1 = g.dtype.type(end - i0), g.dtype.type(end - i1)
    p2, p3 = w2 * g.dtype.type(end - i2), w3 * g.dtype.type(end - i3)
    f0, f1, f2, f3 = share[i0], share[i1], w2 * share[i2], w3 * share[i3]
    q0, q1, q2, q3 = p0 * f0, p1 * f1, p2 * f2, p3 * f3
    r0, r1, r2, r3 = uint64(i0), uint64(i1), uint64(i2), uint64(i3)
    for n in range(LANES):
        g0, g1, g2, g3 = g[r0, n], g[r1, n], g[r2, n], g[r3, n]
        total[n] += (g0 + g1) + (w2 * g2 + w3 * g3)
        moment[n] += (p0 * g0 + p1 * g1) + (p2 * g2 + p3 * g3)
        s[n] += (f0 * g0 + f1 * g1) + (f2 * g2 + f3 * g3)
        m[n] += (q0 * g0 + q1 * g1) + (q2 * g2 + q3 * g3)


@compiled(fastmath={"contract"})
def _one_row(g: Any, i: int, share: Any, end: int, total: Any, moment: Any, s: Any, m: Any) -> None:
    """A row enters earlier groups whole, and its own with its share."""
    p, f, row = g.dtype.type(end - i), share[i], uint64(i)
    q = p * f
    for n in range(LANES):
        cell = g[row, n]
        total[n] += cell
        moment[n] += p * cell
        s[n] += f * cell
        m[n] += q * cell


@compiled()
def to_rows(groups: Any, vector: int, segment: int, end: int, g: Any, work: Any, by_ticks: Any, by_g: Any) -> None:
    """Gradients by a segment's rows, from those by S and M."""
    first, order, n_tick = groups.first[vector, segment], groups.order[vector], groups.n_tick[vector]
    s, m = work.s[segment], work.m[segment]
    total, moment = work.total, work.moment
    _clear(total, moment, g.dtype.type(0))
    for k in range(n_tick.size):
        if n_tick[k] == 0:
            continue
        for j in range(first[k], first[k + 1]):
            i = order[j]
            slope = _of_row(g, i, groups.share[vector, i], end, total, work.of_ended[k], moment, s[k], m[k], by_g)
            by_ticks[i] += slope / n_tick[k]
        _add(total, s[k])
        _add(moment, m[k])
    if n_tick[0] > 0:
        for j in range(first[n_tick.size], end):
            by_ticks[order[j]] += _slope(g, order[j], end, s[0], m[0]) / n_tick[0]


@compiled(fastmath={"contract", "reassoc"})
def _of_row(
    g: Any, i: int, share: Any, end: int, total: Any, ended: Any, moment: Any, s: Any, m: Any, by_g: Any
) -> Any:
    p, row = g.dtype.type(end - i), uint64(i)
    slope = g.dtype.type(0)
    for n in range(LANES):
        own = s[n] + p * m[n]
        slope += g[row, n] * own
        by_g[row, n] += total[n] + ended[n] + p * moment[n] + share * own
    return slope


@compiled(fastmath={"contract", "reassoc"})
def _slope(g: Any, i: int, end: int, s: Any, m: Any) -> Any:
    p, row = g.dtype.type(end - i), uint64(i)
    slope = g.dtype.type(0)
    for n in range(LANES):
        slope += g[row, n] * (s[n] + p * m[n])
    return slope


@compiled()
def of_each_row(groups: Any, vector: int, segment: int, end: int, work: Any, by_g: Any) -> None:
    """Gradients by the cells of a segment's rows of this vector alone; rows without a pulse are left as they are."""
    first, order, n_group = groups.first[vector, segment], groups.order[vector], groups.n_tick.shape[1]
    s, m = work.s[segment], work.m[segment]
    total, moment = work.total, work.moment
    _clear(total, moment, s.dtype.type(0))
    for k in range(n_group):
        if groups.n_tick[vector, k] == 0:
            continue
        for j in range(first[k], first[k + 1]):
            i = order[j]
            _by_cell(groups.share[vector, i], end - i, total, work.of_ended[k], moment, s[k], m[k], by_g[i])
        _add(total, s[k])
        _add(moment, m[k])


@compiled(fastmath={"contract"})
def _by_cell(share: Any, wires: int, total: Any, ended: Any, moment: Any, s: Any, m: Any, by_g: Any) -> None:
    p = s.dtype.type(wires)
    for n in range(LANES):
        by_g[n] = total[n] + ended[n] + p * moment[n] + share * (s[n] + p * m[n])
