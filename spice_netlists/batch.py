"""Simulate a tile: one deck a vector, pass and group of columns, several processes side by side."""

import dataclasses
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.engines import engine_version
from spice_netlists.nodes import rails_resist
from spice_netlists.process import StopSignal, Waveforms
from spice_netlists.readings import PassResult, Rate, Readings
from spice_netlists.runs.executors import core_count
from spice_netlists.runs.job import Job
from spice_netlists.runs.record import RunResult
from spice_netlists.runs.runner import Runner
from tilemodel.config.operands import Conductances, check_ticks
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = [
    "PassResult",
    "Progress",
    "Rate",
    "SpiceResult",
    "batch_decks",
    "run_side_by_side",
    "runs_per_vector",
    "simulate",
    "vector_waveforms",
]

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Called with (runs done, runs in all)."""
Result = TypeVar("Result")

# ngspice's time grows faster than the number of bit lines in a deck; 16 amortise its start
_LINES_PER_DECK = 16


@dataclass(frozen=True, kw_only=True)
class SpiceResult:
    """Charges of all bit lines for all passes and vectors, and what they came from."""

    passes: tuple[PassResult, ...]
    engine: str
    deck_sha256: tuple[str, ...]
    """One a run, passes first, then vectors, then groups of columns."""
    run_key: tuple[str, ...]
    """Names of the runs in a store, in the same order, as are the next two."""
    n_attempt: tuple[int, ...]
    convergence_help: tuple[str | None, ...]
    """What ngspice needed to converge, None where nothing; see `spice_netlists.convergence`."""
    wall_second: tuple[float, ...]
    """Of each run when it was computed, which may be long ago."""
    n_step: tuple[int, ...]
    """Time steps of each run."""
    residual_current_fraction: float | None
    """Mean change of current since rest over the last quarter of the tail, as a fraction of the largest; None where
    outputs are sampled."""

    @property
    def charge_line_coulomb(self) -> FloatArray:
        """All passes added up with their factors, [n_vec, n_line]."""
        total: FloatArray = sum(
            (item.drive.factor * item.charge_line_coulomb for item in self.passes[1:]),
            start=self.passes[0].drive.factor * self.passes[0].charge_line_coulomb,
        )
        return total


def simulate(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
    rate: Rate | None = None,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
    stop: StopSignal | None = None,
) -> SpiceResult:
    """Charges of `ticks` [n_vec, n_row] through the tile's circuit.

    `rate` also integrates the frequency of oscillators over the clamp currents. `runner` says where the simulators run
    and which store keeps the results; without one `processes` of them (by default the processor's cores) run side by
    side and nothing is stored. Waveforms are not kept, so that a batch may have any length. Raises `InputError` for
    operands that do not fit the tile and for a window that cuts the tail where it must not, `SimulatorError` or
    `SimulatorMissingError`; the first failure, an interrupt, or `stop` set by another thread ends all running
    simulators. Warns where ngspice converged only with help.
    """
    if runner is None:
        with Runner("threads", processes=processes) as own:
            return simulate(
                tile,
                conductances,
                ticks,
                cell=cell,
                simulator=simulator,
                rate=rate,
                runner=own,
                on_done=on_done,
                stop=stop,
            )
    check_ticks(tile, ticks)
    simulator = simulator or tile.simulator
    engine = engine_version(simulator.engine)
    passes, groups = tile_passes(tile, ticks), _column_groups(tile)
    n_run = len(passes) * len(ticks) * len(groups)
    readings = Readings(tile, simulator, passes, len(ticks), len(groups), rate)
    decks: dict[int, Deck] = {}

    def jobs() -> Iterator[Job]:
        for place, deck in enumerate(batch_decks(tile, conductances, ticks, cell=cell, simulator=simulator)):
            decks[place] = dataclasses.replace(deck, text="", files={})
            yield runner.job(deck, engine, simulator.timeout_second)

    notes = _Notes(n_run)
    for place, result in runner.run(jobs(), stop=stop):
        readings.take(place, decks.pop(place), result.waveforms)
        notes.take(place, result)
        if on_done is not None:
            on_done(notes.n_done, n_run)
    return notes.result(engine, readings)


def batch_decks(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
) -> Iterator[Deck]:
    """The decks that `simulate` runs: passes first, then vectors, then groups of columns."""
    groups = _column_groups(tile)
    for drive in tile_passes(tile, ticks):
        for vector in range(len(ticks)):
            for group in groups:
                yield build_deck(
                    tile, conductances, drive.pulses(vector), columns=group, cell=cell, simulator=simulator
                )


def vector_waveforms(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    column: int,
    runner: Runner,
    cell: CellCircuit | None = None,
) -> list[tuple[Deck, Waveforms]]:
    """What `simulate` runs for the bit lines of `column` and one vector `ticks` [n_row]: deck and waveforms a pass.

    Where the store of `runner` has them nothing is simulated. Raises as `simulate`.
    """
    batch = np.atleast_2d(ticks)
    check_ticks(tile, batch)
    engine = engine_version(tile.simulator.engine)
    group = next(group for group in _column_groups(tile) if column in group)
    decks = [
        build_deck(tile, conductances, drive.pulses(0), columns=group, cell=cell) for drive in tile_passes(tile, batch)
    ]
    results = dict(runner.run(runner.job(deck, engine, tile.simulator.timeout_second) for deck in decks))
    return [(deck, results[place].waveforms) for place, deck in enumerate(decks)]


class _Notes:
    """What is kept of the runs' records: laid out before the first comes, so that a long batch does not grow."""

    def __init__(self, n_run: int) -> None:
        self.n_done = 0
        self._hashes = np.full((n_run, 2), b"-" * 64)
        self._attempts = np.zeros(n_run, dtype=np.int16)
        self._helps: dict[int, str] = {}
        self._wall_second = np.zeros(n_run)
        self._steps = np.zeros(n_run, dtype=np.int64)

    def take(self, place: int, run: RunResult) -> None:
        record = run.record
        self.n_done += 1
        self._wall_second[place] = record.wall_second
        self._steps[place] = run.waveforms.time_second.size
        self._hashes[place] = record.deck_sha256.encode(), record.key.encode()
        self._attempts[place] = len(record.attempts)
        if record.convergence_help is not None:
            self._helps[place] = record.convergence_help

    def result(self, engine: str, readings: Readings) -> SpiceResult:
        """All together. Warns where help was needed."""
        n_run = len(self._attempts)
        if self._helps:
            needed = ", ".join(sorted(set(self._helps.values())))
            warnings.warn(
                f"{len(self._helps)} of {n_run} runs converged only with help: {needed}; the results name them",
                stacklevel=3,
            )
        deck_sha256, run_key = (tuple(item.decode() for item in column) for column in self._hashes.T)
        return SpiceResult(
            passes=readings.passes(),
            engine=engine,
            deck_sha256=deck_sha256,
            run_key=run_key,
            n_attempt=tuple(self._attempts.tolist()),
            convergence_help=tuple(self._helps.get(place) for place in range(n_run)),
            wall_second=tuple(self._wall_second.tolist()),
            n_step=tuple(self._steps.tolist()),
            residual_current_fraction=readings.residual_fraction(),
        )


def runs_per_vector(tile: TileConfig) -> int:
    """Number of simulator runs that one input vector takes."""
    return len(_column_groups(tile)) * len(tile_passes(tile, np.zeros((1, tile.array.n_row), dtype=np.int64)))


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
    with ThreadPoolExecutor(max_workers=processes or core_count()) as pool:
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
    n_col = tile.array.n_col
    if rails_resist(tile):
        return [range(n_col)]
    per_deck = max(1, _LINES_PER_DECK // tile.lines_per_column)
    return [range(first, min(first + per_deck, n_col)) for first in range(0, n_col, per_deck)]
