"""Simulate a tile: one deck a vector, pass and group of columns, several processes side by side."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.engines import engine_version, run_deck
from spice_netlists.nodes import rails_resist
from spice_netlists.process import Waveforms
from spice_netlists.read_out import pulses_end_second
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.operands import Conductances, check_ticks
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["PassResult", "Progress", "Rate", "SpiceResult", "run_side_by_side", "runs_per_vector", "simulate"]

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Called with (runs done, runs in all)."""
Rate = Callable[[FloatArray, Sequence[int]], FloatArray]
"""Frequency of oscillators [hertz] at the currents [ampere] of given lines, both [..., n_line of the run]."""
Result = TypeVar("Result")

# ngspice's time grows faster than the number of bit lines in a deck; 16 amortise its start
_LINES_PER_DECK = 16
# A larger fraction of the current left at the end of the window means that the window cuts the tail
_RESIDUAL_LIMIT = 1e-3
# Currents this many times the solver's tolerance count as signal
_SIGNAL_OVER_ABSTOL = 1e3


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """What one pass gave, all vectors."""

    drive: Pass
    charge_line_coulomb: FloatArray
    """[n_vec, n_line], what the converters see."""
    cycle_line: FloatArray | None
    """[n_vec, n_line]: cycles of the converters' oscillators, where a rate was given."""
    code_line: NDArray[np.int64] | None = None
    """[n_vec, n_line]: of read-outs that convert themselves."""
    trip_line_second: FloatArray | None = None
    """[n_vec, n_line]: from the ramp's start to the trip, of such read-outs; infinite without a trip."""


@dataclass(frozen=True, kw_only=True)
class SpiceResult:
    """Charges of all bit lines for all passes and vectors, and what they came from."""

    passes: tuple[PassResult, ...]
    engine: str
    deck_sha256: tuple[str, ...]
    """One a run, passes first, then vectors, then groups of columns."""
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
    on_done: Progress | None = None,
    stop: threading.Event | None = None,
) -> SpiceResult:
    """Charges of `ticks` [n_vec, n_row] through the tile's circuit.

    `rate` also integrates the frequency of oscillators over the clamp currents. `processes` defaults to the
    processor's cores. Raises `InputError` for operands that do not fit the tile and for a window that cuts the tail
    where it must not, `SimulatorError` or `SimulatorMissingError`; the first failure, an interrupt, or `stop` set by
    another thread ends all running simulators.
    """
    check_ticks(tile, ticks)
    simulator = simulator or tile.simulator
    engine = engine_version(simulator)
    passes = tile_passes(tile, ticks)
    groups = _column_groups(tile)
    jobs = [(drive, vector, group) for drive in passes for vector in range(len(ticks)) for group in groups]

    def run(drive: Pass, vector: int, group: range, stop: threading.Event) -> tuple[Deck, Waveforms]:
        pulses = drive.pulses(vector)
        deck = build_deck(tile, conductances, pulses, columns=group, cell=cell, simulator=simulator)
        return deck, run_deck(deck, timeout_second=simulator.timeout_second, stop=stop)

    results = run_side_by_side([partial(run, *job) for job in jobs], processes=processes, on_done=on_done, stop=stop)
    per_pass = len(ticks) * len(groups)
    return SpiceResult(
        passes=tuple(
            _pass_result(
                drive,
                results[first : first + per_pass],
                (len(ticks), line_count(tile)),
                rate,
                pulses_end_second(tile, drive.n_tick_max),
            )
            for drive, first in zip(passes, range(0, len(results), per_pass), strict=True)
        ),
        engine=engine,
        deck_sha256=tuple(deck.sha256 for deck, _ in results),
        residual_current_fraction=_residual_fraction(results, tile, simulator),
    )


def _pass_result(
    drive: Pass,
    results: list[tuple[Deck, Waveforms]],
    shape: tuple[int, int],
    rate: Rate | None,
    t_end_second: float,
) -> PassResult:
    """Charges, and cycles if there is a `rate`, of the runs of one pass."""
    charge = np.empty(shape)
    cycles = None if rate is None else np.empty(shape)
    ramp = results[0][0].sense.ramp
    trip, code = (None, None) if ramp is None else (np.empty(shape), np.empty(shape, dtype=np.int64))
    per_vector = len(results) // shape[0]
    for k, (deck, waveforms) in enumerate(results):
        lines = list(deck.lines)
        time, sensed = waveforms.time_second, waveforms.sensed
        charge[k // per_vector, lines] = deck.charge_sign * deck.sense.charges(time, sensed, lines)
        if cycles is not None and rate is not None:
            frequency = rate(deck.charge_sign * sensed.T, lines)
            cycles[k // per_vector, lines] = np.trapezoid(frequency, time, axis=0)
        if ramp is not None and trip is not None and code is not None:
            for line, volt in zip(lines, waveforms.outputs_volt, strict=True):
                trip[k // per_vector, line] = ramp.trip_second(time, volt, t_end_second=t_end_second)
                code[k // per_vector, line] = ramp.code_from_waveforms(time, volt, t_end_second=t_end_second)
    return PassResult(drive=drive, charge_line_coulomb=charge, cycle_line=cycles, code_line=code, trip_line_second=trip)


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
    n_col = tile.array.n_col
    if rails_resist(tile):
        return [range(n_col)]
    per_deck = max(1, _LINES_PER_DECK // tile.lines_per_column)
    return [range(first, min(first + per_deck, n_col)) for first in range(0, n_col, per_deck)]


def _current_left(run: Waveforms, since_second: float) -> float:
    """Largest mean change of a line's current since its start, over the end of the window (a mean: trapezoids ring)."""
    late = run.time_second >= min(since_second, run.time_second[-2])
    time, change = run.time_second[late], (run.sensed - run.sensed[:, :1])[:, late]
    return float(np.abs(np.trapezoid(change, time, axis=1)).max() / (time[-1] - time[0]))


def _residual_fraction(
    results: list[tuple[Deck, Waveforms]], tile: TileConfig, simulator: SimulatorConfig
) -> float | None:
    """How much of the largest signal is left at the end; raises `InputError` if that cuts the tail and must not."""
    sense = results[0][0].sense
    if sense.of_voltage or sense.ramp is not None:
        return None
    largest = max(float(np.abs(run.sensed - run.sensed[:, :1]).max()) for _, run in results)
    left = max(_current_left(run, deck.t_stop_second - tile.read_out.t_tail_second / 4) for deck, run in results)
    if largest < _SIGNAL_OVER_ABSTOL * simulator.abstol_ampere:  # all rows at rest: nothing but the solver's noise
        return 0.0
    if tile.read_out.window == "settled" and left > _RESIDUAL_LIMIT * largest:
        raise InputError(
            f"tile {tile.name} [read_out]: {100 * left / largest:.2g} % of the largest current still flows "
            f"at the end of the window; raise t_tail_second ({tile.read_out.t_tail_second:g} s), or set "
            "window = 'cut' if it is meant to"
        )
    return left / largest
