"""Simulate a tile: one deck a vector and group of columns, several processes side by side."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.ngspice import Waveforms, find_ngspice, ngspice_version, run_deck
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, check_ticks, line_count
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["Progress", "SpiceResult", "run_side_by_side", "runs_per_vector", "simulate"]

Progress = Callable[[int, int], None]
"""Called with (runs done, runs in all)."""
Result = TypeVar("Result")

# ngspice's time grows faster than the number of bit lines in a deck; 16 amortise its start
_LINES_PER_DECK = 16
# A larger fraction of the current left at the end of the window means that the window cuts the tail
_RESIDUAL_LIMIT = 1e-3
# Currents this many times the solver's tolerance count as signal
_SIGNAL_OVER_ABSTOL = 1e3


@dataclass(frozen=True, kw_only=True)
class SpiceResult:
    """Charges of all bit lines for all vectors, and what they came from."""

    charge_line_coulomb: NDArray[np.float64]
    """[n_vec, n_line]"""
    engine: str
    deck_sha256: tuple[str, ...]
    """One a run, vectors first, then groups of columns."""
    residual_current_fraction: float
    """Mean change of current since rest over the last quarter of the tail, as a fraction of the largest."""


def simulate(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
    processes: int | None = None,
    on_done: Progress | None = None,
    stop: threading.Event | None = None,
) -> SpiceResult:
    """Charges of `ticks` [n_vec, n_row] through the tile's circuit.

    `processes` defaults to the processor's cores. Raises `InputError` for operands that do not fit the tile
    and for a window that cuts the tail, `SimulatorError` or `SimulatorMissingError`; the first failure, an
    interrupt, or `stop` set by another thread ends all running simulators.
    """
    check_ticks(tile, ticks)
    engine = ngspice_version(find_ngspice())
    simulator = simulator or tile.simulator
    jobs = [(vector, group) for vector in range(len(ticks)) for group in _column_groups(tile)]

    def run(vector: int, group: range, stop: threading.Event) -> tuple[Deck, Waveforms]:
        deck = build_deck(tile, conductances, ticks[vector], columns=group, cell=cell, simulator=simulator)
        return deck, run_deck(deck, timeout_second=simulator.timeout_second, stop=stop)

    results = run_side_by_side([partial(run, *job) for job in jobs], processes=processes, on_done=on_done, stop=stop)
    charge = np.empty((len(ticks), line_count(tile)))
    for (vector, _), (deck, waveforms) in zip(jobs, results, strict=True):
        charge[vector, list(deck.lines)] = deck.charge_sign * _charges(waveforms)
    return SpiceResult(
        charge_line_coulomb=charge,
        engine=engine,
        deck_sha256=tuple(deck.sha256 for deck, _ in results),
        residual_current_fraction=_residual_fraction([item for _, item in results], tile, simulator),
    )


def runs_per_vector(tile: TileConfig) -> int:
    """Number of simulator runs that one input vector takes."""
    return len(_column_groups(tile))


def run_side_by_side(
    tasks: list[Callable[[threading.Event], Result]],
    *,
    processes: int | None,
    on_done: Progress | None,
    stop: threading.Event | None = None,
) -> list[Result]:
    """Results of `tasks` in their order; each is given `stop`, which says when to end early.

    The first failure, or an interrupt, sets `stop` and drops what has not begun.
    """
    stop = stop or threading.Event()
    with ThreadPoolExecutor(max_workers=processes or len(os.sched_getaffinity(0))) as pool:
        futures = [pool.submit(task, stop) for task in tasks]
        try:
            pending = set(futures)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if on_done is not None:
                    on_done(len(futures) - len(pending), len(futures))
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return [future.result() for future in futures]


def _column_groups(tile: TileConfig) -> list[range]:
    per_deck = max(1, _LINES_PER_DECK * tile.array.n_col // line_count(tile))
    n_col = tile.array.n_col
    return [range(first, min(first + per_deck, n_col)) for first in range(0, n_col, per_deck)]


def _charges(waveforms: Waveforms) -> NDArray[np.float64]:
    """Trapezoid over the solver's own points: what its trapezoidal integration conserves."""
    return np.asarray(np.trapezoid(waveforms.current_ampere, waveforms.time_second, axis=1))


def _current_left(run: Waveforms, since_second: float) -> float:
    """Largest mean change of a line's current since its start, over the end of the window (a mean: trapezoids ring)."""
    late = run.time_second >= min(since_second, run.time_second[-2])
    time, change = run.time_second[late], (run.current_ampere - run.current_ampere[:, :1])[:, late]
    return float(np.abs(np.trapezoid(change, time, axis=1)).max() / (time[-1] - time[0]))


def _residual_fraction(runs: list[Waveforms], tile: TileConfig, simulator: SimulatorConfig) -> float:
    """How much of the largest signal is left at the end; raises `InputError` if that cuts the tail."""
    largest = max(float(np.abs(run.current_ampere - run.current_ampere[:, :1]).max()) for run in runs)
    left = max(_current_left(run, tile.t_window_second - tile.read_out.t_tail_second / 4) for run in runs)
    if largest < _SIGNAL_OVER_ABSTOL * simulator.abstol_ampere:  # all rows at rest: nothing but the solver's noise
        return 0.0
    if left > _RESIDUAL_LIMIT * largest:
        raise InputError(
            f"tile {tile.name} [read_out]: {100 * left / largest:.2g} % of the largest current still flows "
            f"at the end of the window; raise t_tail_second ({tile.read_out.t_tail_second:g} s)"
        )
    return left / largest
