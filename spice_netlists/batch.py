"""Simulate a tile: one deck a vector and group of columns, several processes side by side."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.ngspice import Waveforms, find_ngspice, ngspice_version, run_deck
from tilemodel.config.operands import Conductances, line_count
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["SpiceResult", "runs_per_vector", "simulate"]

# ngspice's time grows faster than the number of bit lines in a deck; 16 amortise its start
_LINES_PER_DECK = 16


@dataclass(frozen=True, kw_only=True)
class SpiceResult:
    """Charges of all bit lines for all vectors, and what they came from."""

    charge_line_coulomb: NDArray[np.float64]
    """[n_vec, n_line]"""
    engine: str
    deck_sha256: tuple[str, ...]
    """One a run, vectors first, then groups of columns."""
    residual_current_fraction: float
    """Largest |i(end) - i(0)| of a line as a fraction of its largest |i(t) - i(0)|: 0 if the window holds the tail."""


def simulate(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
    processes: int | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> SpiceResult:
    """Charges of `ticks` [n_vec, n_row] through the tile's circuit.

    `processes` defaults to the processor's cores; `on_done(done, total)` is called after every run.
    Raises `SimulatorError` or `SimulatorMissingError`; the first failure stops what has not begun.
    """
    engine = ngspice_version(find_ngspice())
    simulator = simulator or tile.simulator
    groups = _column_groups(tile)
    jobs = [(vector, group) for vector in range(len(ticks)) for group in groups]
    lock, done = threading.Lock(), 0

    def run(job: tuple[int, range]) -> tuple[Deck, Waveforms]:
        nonlocal done
        vector, group = job
        deck = build_deck(tile, conductances, ticks[vector], columns=group, cell=cell, simulator=simulator)
        waveforms = run_deck(deck, timeout_second=simulator.timeout_second)
        with lock:
            done += 1
            if on_done is not None:
                on_done(done, len(jobs))
        return deck, waveforms

    results = _run_all(run, jobs, processes or len(os.sched_getaffinity(0)))
    charge = np.empty((len(ticks), line_count(tile)))
    for (vector, _), (deck, waveforms) in zip(jobs, results, strict=True):
        charge[vector, list(deck.lines)] = deck.charge_sign * _charges(waveforms)
    return SpiceResult(
        charge_line_coulomb=charge,
        engine=engine,
        deck_sha256=tuple(deck.sha256 for deck, _ in results),
        residual_current_fraction=max(_residual_fraction(waveforms) for _, waveforms in results),
    )


def runs_per_vector(tile: TileConfig) -> int:
    """Number of simulator runs that one input vector takes."""
    return len(_column_groups(tile))


def _column_groups(tile: TileConfig) -> list[range]:
    per_deck = max(1, _LINES_PER_DECK * tile.array.n_col // line_count(tile))
    n_col = tile.array.n_col
    return [range(first, min(first + per_deck, n_col)) for first in range(0, n_col, per_deck)]


def _run_all(
    run: Callable[[tuple[int, range]], tuple[Deck, Waveforms]], jobs: list[tuple[int, range]], processes: int
) -> list[tuple[Deck, Waveforms]]:
    with ThreadPoolExecutor(max_workers=processes) as pool:
        futures: list[Future[tuple[Deck, Waveforms]]] = [pool.submit(run, job) for job in jobs]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            for future in futures:
                future.cancel()
        failed = [future for future in futures if future.done() and not future.cancelled() and future.exception()]
        if failed:
            failed[0].result()
        return [future.result() for future in futures]


def _charges(waveforms: Waveforms) -> NDArray[np.float64]:
    """Trapezoid over the solver's own points: what its trapezoidal integration conserves."""
    return np.asarray(np.trapezoid(waveforms.current_ampere, waveforms.time_second, axis=1))


def _residual_fraction(waveforms: Waveforms) -> float:
    change = np.abs(waveforms.current_ampere - waveforms.current_ampere[:, :1])
    largest = change.max()
    return float(change[:, -1].max() / largest) if largest > 0 else 0.0
