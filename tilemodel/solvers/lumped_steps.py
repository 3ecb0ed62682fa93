"""Steps of `lumped` over one block of `LANES` bit lines: rows into segments, segments to the clamp and back.

Planes are [n_group, LANES]; s, m, y, w as in the derivation (docs/lumped.md).
"""

from typing import Any

import numpy as np
from numba import uint64

from tilemodel.solvers.compile import compiled

__all__ = [
    "LANES",
    "add_capacitors",
    "add_curvature",
    "add_excess",
    "add_pulses",
    "doubt_segment",
    "enter_clamp",
    "gather",
    "gather_active",
    "gather_spread",
    "pass_segment",
    "step_back",
]

LANES = 64
"""Bit lines that one loop handles side by side."""


@compiled(fastmath={"contract"})
def gather(s: Any, m: Any, g: Any, group: Any, share: Any, first: int, last: int, zero: Any, one: Any) -> None:
    """Mean over each group of S and M of the segment's active cells."""
    s[:] = zero
    m[:] = zero
    wires = zero
    for i in range(last - 1, first - 1, -1):
        wires += one
        _add_row(s, g, i, group[i], share[i], one, zero, one)
        _add_row(m, g, i, group[i], share[i], wires, zero, one)
    _sum_later(s)
    _sum_later(m)


@compiled(fastmath={"contract"})
def gather_active(s: Any, g: Any, group: Any, share: Any, first: int, last: int, zero: Any, one: Any) -> None:
    """As `gather`, S alone."""
    s[:] = zero
    for i in range(first, last):
        _add_row(s, g, i, group[i], share[i], one, zero, one)
    _sum_later(s)


@compiled(fastmath={"contract"})
def _add_row(s: Any, g: Any, i: int, group: int, share: Any, weight: Any, zero: Any, one: Any) -> None:
    """Row i enters with its `share` of its last group, and with the rest one group earlier (sums follow)."""
    row = uint64(i)
    if share > zero:
        t, a = uint64(group), weight * share
        for n in range(LANES):
            s[t, n] += a * g[row, n]
    if group > 0:
        t, a = uint64(group - 1), weight * (one - share)
        for n in range(LANES):
            s[t, n] += a * g[row, n]


@compiled(fastmath={"contract"})
def gather_spread(s: Any, g: Any, group: Any, share: Any, first: int, last: int, zero: Any, one: Any) -> None:
    """sum g f (1 - f) of the segment's rows that end within each group."""
    s[:] = zero
    for i in range(first, last):
        spread = share[i] * (one - share[i])
        if spread > zero:
            row, t = uint64(i), uint64(group[i])
            for n in range(LANES):
                s[t, n] += spread * g[row, n]


@compiled(fastmath={"contract"})
def _sum_later(s: Any) -> None:
    """Every group gets the sum of itself and all later ones."""
    n_group = s.shape[0]
    for back in range(n_group - 1):
        later, t = uint64(n_group - 1 - back), uint64(n_group - 2 - back)
        for n in range(s.shape[1]):
            s[t, n] += s[later, n]


@compiled(fastmath={"contract"})
def pass_segment(
    y: Any, ratio: Any, s: Any, m: Any, q: Any, shape: Any, wires: Any, r: Any, zero: Any, one: Any, sixth: Any
) -> None:
    """Conductance behind the segment's clamp end, and the share of a voltage there that reaches its far end."""
    bend = r * r * (wires * wires - one) * sixth
    for t in range(y.shape[0]):
        stretch = r * shape[t]
        for n in range(LANES):
            far, active, weighted = y[t, n], s[t, n], m[t, n]
            passed = one / (one + r * (wires * far + weighted) + bend * far * active)
            pairs = stretch * q[0, n] * active * max(active - q[1, n], zero)
            ratio[t, n] = passed
            y[t, n] = (far + active + r * far * (wires * active - weighted) + pairs) * passed


@compiled(fastmath={"contract"})
def doubt_segment(
    deviation: Any,
    remainder: Any,
    s: Any,
    y: Any,
    q: Any,
    n_tick: Any,
    doubt: Any,
    in_q: Any,
    in_k: Any,
    in_second: Any,
) -> None:
    """The square of what Q and K change in the current, times their doubt; the second order in r."""
    added = np.zeros(s.shape[1], s.dtype)
    left = np.zeros(s.shape[1], s.dtype)
    for t in range(s.shape[0]):
        a, b, d = in_q * doubt[t] * n_tick[t], in_k * doubt[t] * n_tick[t], in_second * n_tick[t]
        for n in range(LANES):
            added[n] += s[t, n] * (a * q[0, n] * (s[t, n] + q[1, n]) + b * y[t, n] * y[t, n])
            left[n] += d * s[t, n] * s[t, n] * y[t, n]
    for n in range(LANES):
        deviation[n] += np.float64(q[2, n] * added[n]) ** 2
        remainder[n] += left[n]


@compiled(fastmath={"contract"})
def enter_clamp(flow: Any, y: Any, w: Any, n_tick: Any, r_end: Any, v: Any, one: Any) -> None:
    for t in range(y.shape[0]):
        a = v * n_tick[t]
        for n in range(LANES):
            w[t, n] = one / (one + r_end * y[t, n])
            flow[n] += a * y[t, n] * w[t, n]


@compiled(fastmath={"contract"})
def step_back(w: Any, middle: Any, ratio: Any, part: Any) -> None:
    """Transfer of the segment's far end in place of its near end's, and `middle`, that of its cells in the mean."""
    for t in range(w.shape[0]):
        for n in range(LANES):
            far = w[t, n] * ratio[t, n]
            middle[t, n] = far + part * (w[t, n] - far)
            w[t, n] = far


@compiled(fastmath={"contract"})
def add_excess(excess: Any, spread: Any, s: Any, w: Any, unequal: Any, weight: Any, n_tick: Any, v: Any) -> None:
    """Current that the mean state of each group carries too much; squares of the most that each part of it can be."""
    last = w.shape[0] - 1
    too_much = np.zeros(LANES, s.dtype)
    squares = np.zeros(LANES, s.dtype)
    for t in range(1, last):
        if n_tick[t] == 0:
            continue
        before, after = uint64(t - 1), uint64(t + 1)
        a, b = v * weight[t], v * n_tick[t]
        for n in range(LANES):
            part = s[t, n] * (w[after, n] - w[before, n]) * (w[after, n] + w[before, n])
            too_much[n] += a * part
            squares[n] += (b * part) * (b * part)
    for n in range(LANES):
        excess[n] += too_much[n]
        spread[n] += unequal[n] * squares[n]


@compiled(fastmath={"contract"})
def add_curvature(flow: Any, remainder: Any, s: Any, w: Any, ratio: Any, n_tick: Any, v2: Any, one: Any) -> None:
    """By the transfer of the segment's middle; a cell at its end has another."""
    for t in range(w.shape[0]):
        a = v2 * n_tick[t]
        for n in range(LANES):
            flow[n] += a * s[t, n] * w[t, n] * w[t, n] * (one - w[t, n])
            remainder[n] += abs(a * s[t, n]) * (one - ratio[t, n])


@compiled(fastmath={"contract"})
def add_capacitors(injected: Any, w: Any, n_end: Any, scale: Any, one: Any) -> None:
    """Squared steps of the transfer: from rest to the first group, then evenly from group to group."""
    for n in range(LANES):
        injected[n] += scale * (one - w[0, n]) ** 2
    for t in range(w.shape[0] - 1):
        a = scale / n_end[t]
        after = uint64(t + 1)
        for n in range(LANES):
            injected[n] += a * (w[after, n] - w[t, n]) ** 2


@compiled(fastmath={"contract"})
def add_pulses(
    injected: Any,
    doubt: Any,
    lines: Any,
    block: int,
    groups: Any,
    vector: int,
    first: int,
    last: int,
    w: Any,
    ratio: Any,
    c: Any,
) -> None:
    """Charges at the pulses' ends, by the transfer between the mean states around each."""
    charged = lines.pulse.size > 0
    for i in range(first, last):
        if groups.group[vector, i] == 0 and groups.share[vector, i] == c.zero:
            continue
        early, weight = groups.early[vector, i], groups.late_weight[vector, i]
        row, before, after = uint64(i), uint64(early), uint64(early + 1)
        for n in range(LANES):
            step = w[after, n] - w[before, n]
            w_end = w[before, n] + weight * step
            charge = c.c_pulse * c.v * w_end
            if charged:
                charge += lines.pulse[block, row, n]
            if lines.g[block, row, n] == c.zero:
                charge = c.zero
            injected[n] += charge * w_end
            doubt[n] += abs(charge) * (c.between * step + c.one - ratio[before, n])
