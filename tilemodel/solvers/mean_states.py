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
from tilemodel.solvers.mean_state_rows import LANES, of_each_row, to_rows
from tilemodel.solvers.mean_state_sweeps import Circuit, add_charge, seed, step_back, to_clamp, work_arrays
from tilemodel.solvers.state_groups import StateGroups, state_groups

__all__ = ["CellNoise", "Lumping", "MeanStates"]

Real = NDArray[np.floating[Any]]


class Lumping(NamedTuple):
    """How finely lines are solved."""

    n_row_segment: int
    n_group: int


class CellNoise(NamedTuple):
    """Covariances of cells' deviations, those of a line independent: products of the pulses' and of a cell's."""

    pairs: NDArray[np.int64]
    """Which two passes p and q, and the stride s of their table, [n_pair, 3]."""
    of_ticks: Real
    """At s n_p + n_q, of pulses of n_p and n_q ticks; 0 where there is no pulse, [n_pair, n_entry, n_term]."""
    of_cells: Real
    """[n_term, n_row, n_line]"""
    slope: Real
    """What a cell's charge changes by with its deviation, over what it does with its active conductance, as `g`."""
    at_end: Real
    """What a pulse's end adds to that, as `g`."""


class MeanStates:
    """Lines `g` [n_row, n_line] [siemens], read behind the last row; arithmetic in `dtype`."""

    def __init__(
        self, g: NDArray[np.floating[Any]], r_ohm: float, r_end_ohm: float, dtype: type[np.floating[Any]]
    ) -> None:
        self._g, self._n_line, self._real = in_lanes(g, LANES, dtype), g.shape[1], dtype
        tiny = float(np.finfo(dtype).tiny) ** 0.25
        self._circuit = Circuit(*(dtype(x) for x in (0.0, 1.0, 2.0, 1 / 6, tiny, r_ohm, r_end_ohm)))

    def charges(self, ticks: NDArray[np.int64], lumping: Lumping) -> tuple[Real, Real]:
        """Charge a volt and tick [siemens], and without wires, [n_vec, n_line], of `ticks` [n_vec, n_row] >= 0."""
        groups = self._groups(ticks, lumping)
        out = np.zeros((2, len(ticks), len(self._g), LANES), dtype=self._real)
        with KERNEL_LOCK:
            _charges(groups, self._g, lumping.n_row_segment, self._circuit, get_num_threads(), out)
        charge, ideal = out.reshape(2, len(ticks), len(self._g) * LANES)[..., : self._n_line]
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
            pulls = lanes.reshape(len(ticks), len(self._g), LANES)
            _gradient(groups, self._g, lumping.n_row_segment, self._circuit, pulls, n_worker, by_ticks, by_g)
        summed = by_g.sum(axis=0).transpose(1, 0, 2).reshape(ticks.shape[1], -1)
        return by_ticks, np.ascontiguousarray(summed[:, : self._n_line])

    def covariances(self, ticks: NDArray[np.int64], noise: CellNoise, lumping: Lumping) -> Real:
        """Of the charges a volt between passes, [n_pair, n_vec, n_line], of `ticks` [n_pass, n_vec, n_row] >= 0.

        To first order in the deviations, at the states that `ticks` give without them.
        """
        ticks, real = np.ascontiguousarray(ticks), self._real
        groups = self._groups(ticks.reshape(-1, ticks.shape[-1]), lumping)
        of_cells = np.stack([in_lanes(term, LANES, real) for term in noise.of_cells], axis=1)
        slope, at_end = in_lanes(noise.slope, LANES, real), in_lanes(noise.at_end, LANES, real)
        out = np.zeros((len(noise.pairs), ticks.shape[1], len(self._g), LANES), dtype=real)
        table = np.ascontiguousarray(noise.of_ticks, dtype=real)
        cells, numbers = (of_cells, slope, at_end), (lumping.n_row_segment, get_num_threads())
        with KERNEL_LOCK:
            _covariances(groups, self._g, numbers, self._circuit, ticks, noise.pairs, table, cells, out)
        return out.reshape(*out.shape[:2], len(self._g) * LANES)[..., : self._n_line]

    def _groups(self, ticks: NDArray[np.int64], lumping: Lumping) -> StateGroups:
        return state_groups(ticks, n_group=lumping.n_group, n_row_segment=lumping.n_row_segment, dtype=self._real)


@compiled(parallel=True)
def _charges(groups: Any, g: Any, n_row_segment: int, c: Any, n_worker: int, out: Any) -> None:
    n_vec, n_group = groups.n_tick.shape
    for worker in prange(n_worker):
        work = work_arrays(1, n_group, g)
        for block in range(g.shape[0]):
            for vector in range(worker, n_vec, n_worker):
                to_clamp(groups, vector, g[block], n_row_segment, work, c)
                add_charge(
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
        work = work_arrays(n_segment, n_group, g)
        for block in range(g.shape[0]):
            for vector in range(worker, n_vec, n_worker):
                n_tick = groups.n_tick[vector]
                to_clamp(groups, vector, g[block], n_row_segment, work, c)
                seed(work, pull[vector, block], n_tick, groups.variance[vector], c)
                for segment in range(n_segment - 1, -1, -1):
                    begin = segment * n_row_segment
                    end = min(begin + n_row_segment, g.shape[1])
                    step_back(work, segment, groups.pairs[vector, segment], n_tick, g.dtype.type(end - begin), c)
                    to_rows(groups, vector, segment, end, g[block], work, by_ticks[vector], by_g[worker, block])


@compiled(parallel=True)
def _covariances(
    groups: Any, g: Any, numbers: Any, c: Any, ticks: Any, pairs: Any, of_ticks: Any, cells: Any, out: Any
) -> None:
    """The passes' vectors lie one after the other in `groups`."""
    (of_cells, slope, at_end), (n_row_segment, n_worker) = cells, numbers
    n_pass, n_vec, n_row = ticks.shape
    n_group, n_segment = groups.n_tick.shape[1], groups.first.shape[1]
    for worker in prange(n_worker):
        work = work_arrays(n_segment, n_group, g)
        pull, moved = np.ones(LANES, g.dtype), np.zeros((n_pass, n_row, LANES), g.dtype)
        for block in range(g.shape[0]):
            for vector in range(worker, n_vec, n_worker):
                for p in range(n_pass):
                    at = p * n_vec + vector
                    n_tick = groups.n_tick[at]
                    moved[p] = g.dtype.type(0)
                    to_clamp(groups, at, g[block], n_row_segment, work, c)
                    seed(work, pull, n_tick, groups.variance[at], c)
                    for segment in range(n_segment - 1, -1, -1):
                        begin = segment * n_row_segment
                        end = min(begin + n_row_segment, n_row)
                        step_back(work, segment, groups.pairs[at, segment], n_tick, g.dtype.type(end - begin), c)
                        of_each_row(groups, at, segment, end, work, moved[p])
                    _by_deviation(moved[p], slope[block], at_end[block])
                for n in range(len(pairs)):
                    p, q, stride = pairs[n]
                    entry = stride * ticks[p, vector] + ticks[q, vector]
                    _add_products(moved[p], moved[q], of_ticks[n], entry, of_cells[block], out[n, vector, block])


@compiled(fastmath={"contract"})
def _by_deviation(moved: Any, slope: Any, at_end: Any) -> None:
    for i in range(moved.shape[0]):
        for n in range(LANES):
            moved[i, n] = moved[i, n] * slope[i, n] + at_end[i, n]


@compiled(fastmath={"contract"})
def _add_products(first: Any, second: Any, of_ticks: Any, entry: Any, of_cells: Any, out: Any) -> None:
    for term in range(of_cells.shape[0]):
        for i in range(first.shape[0]):
            weight = of_ticks[entry[i], term]
            if weight != 0:
                for n in range(LANES):
                    out[n] += first[i, n] * second[i, n] * (weight * of_cells[term, i, n])
