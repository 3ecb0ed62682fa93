"""Plan a calibration: what will be simulated, how long it takes, how precisely each parameter will be known."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.experiment import Condition, Design, design_experiment
from calibration.fit import SINGULAR, sensitivity
from calibration.information import hardly_separated, information
from calibration.pilot import Pilot, run_pilot
from calibration.procedure import experiment_runs, starting_point
from spice_netlists.batch import batch_decks
from spice_netlists.cells import CellCircuit
from spice_netlists.engines import engine_version
from spice_netlists.runs import Runner
from tilemodel.config.cell import GatedCell, GatedPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["Candidate", "Plan", "PlannedBatch", "candidate_designs", "plan_calibration", "predicted_precision"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An experiment that could be made."""

    design: Design
    names: tuple[str, ...]
    value: FloatArray
    """[n_fitted], values at which the precision is predicted."""
    scale: FloatArray
    """[n_fitted], typical sizes."""
    standard_error: FloatArray
    """[n_fitted], predicted; infinite where the experiment does not determine a parameter."""
    correlation: FloatArray
    """[n_fitted, n_fitted]"""
    inseparable: tuple[tuple[str, ...], ...]
    """Parameters without effect, and groups of which only a combination shows."""
    second: float
    """Predicted time of all runs, one after the other."""

    @property
    def percent(self) -> FloatArray:
        """Standard errors in percent of typical sizes, [n_fitted]."""
        return np.asarray(100 * self.standard_error / self.scale)

    @property
    def hardly_separated(self) -> tuple[tuple[str, str, float], ...]:
        """Pairs with their correlation."""
        return hardly_separated(self.names, self.correlation)

    @property
    def information_per_second(self) -> float:
        """D-optimality: det(J^T J)^(1 / n_fitted) / second, up to a factor that all candidates share."""
        if self.inseparable:
            return 0.0
        sign, log_det = np.linalg.slogdet(self.correlation)
        log_det += 2 * np.log(self.standard_error / self.scale).sum()
        return float(np.exp(-log_det / len(self.names)) / self.second) if sign > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class PlannedBatch:
    """One condition of the chosen experiment."""

    name: str
    n_row: int
    n_col: int
    n_vec: int
    v_read_volt: float
    deck_sha256: tuple[str, ...]
    n_stored: int
    """Decks whose results are in the store."""
    second: float
    """Predicted time of those that are not, one after the other."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The chosen experiment, and what it was chosen from."""

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    """Cheapest first."""
    batches: tuple[PlannedBatch, ...]
    pilot: Pilot
    n_worker: int

    @property
    def elapsed_second(self) -> float:
        """Predicted time by the clock: each run in its turn goes to the worker that is free first."""
        free = [0.0] * self.n_worker
        for item in self.batches:
            n_left = len(item.deck_sha256) - item.n_stored
            for _ in range(n_left):
                heapq.heapreplace(free, free[0] + item.second / n_left)
        return max(free)


def plan_calibration(
    tile: TileConfig,
    *,
    runner: Runner,
    cell: CellCircuit | None = None,
    seed: int = 0,
    precision_percent: float | None = None,
    designs: Sequence[Design] | None = None,
) -> Plan:
    """Plan `calibrate` of `tile`: a pilot in `runner` gives times and scatter.

    Without `precision_percent` the first of `designs` is chosen (by default today's experiment); with it the cheapest
    of `designs` that determines every parameter to that many percent of its typical size. Raises `InputError` where
    none does, and for a transistor-level read-out, of whose laws no precision is predicted.
    """
    if isinstance(tile.read_out.circuit, Sky130RampReadOut):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: a calibration of a transistor-level read-out cannot be planned; "
            "plan the tile with an ideal clamp, which is how its cells are calibrated"
        )
    pilot = run_pilot(tile, cell=cell, runner=runner, seed=seed)
    given = list(designs) if designs is not None else candidate_designs(tile)
    candidates = [_candidate(tile, design, pilot, seed, own_cell=cell is not None) for design in given]
    chosen = candidates[0] if precision_percent is None else _cheapest(candidates, precision_percent)
    return Plan(
        chosen=chosen,
        candidates=tuple(sorted(candidates, key=lambda item: item.second)),
        batches=_batches(tile, chosen.design, pilot, cell, seed, runner),
        pilot=pilot,
        n_worker=runner.n_worker,
    )


def candidate_designs(tile: TileConfig) -> list[Design]:
    """Experiments to choose from, today's first: sizes, numbers of vectors and, of gated tiles, read voltages."""
    sizes = [(32, 8), (8, 4), (16, 4), (16, 8), (64, 8)]
    designs = [Design(n_row=n_row, n_col=n_col, n_draw=n_draw) for n_draw in (1, 2, 4) for n_row, n_col in sizes]
    if isinstance(tile.cell, GatedCell | GatedPairCell):
        designs += [Design(low_read_fractions=fractions) for fractions in ((0.5,), (0.75, 0.5))]
    return designs


def predicted_precision(
    conditions: Sequence[Condition], parameters: AnyParameters, scales: dict[str, float], noise: float
) -> tuple[FloatArray, FloatArray, tuple[tuple[str, ...], ...]]:
    """Standard errors [n_fitted], correlations [n_fitted, n_fitted] and what the conditions do not separate.

    `noise` is the scatter of a charge as a fraction of its condition's largest. The model is linearised at
    `parameters`.
    """
    names, scale = tuple(scales), np.array(list(scales.values()))
    known = information(sensitivity(conditions, parameters, scales), names, SINGULAR)
    spread = np.sqrt(np.diag(known.covariance))
    correlation = np.eye(len(names))
    some = np.isfinite(spread)
    correlation[np.ix_(some, some)] = known.covariance[np.ix_(some, some)] / np.outer(spread[some], spread[some])
    return noise * spread * scale, correlation, (*((name,) for name in known.silent), *known.mixed)


def _candidate(tile: TileConfig, design: Design, pilot: Pilot, seed: int, *, own_cell: bool) -> Candidate:
    conditions = design_experiment(tile, np.random.default_rng(seed), design)
    scales = starting_point(tile, own_cell=own_cell)[1]
    error, correlation, inseparable = predicted_precision(conditions, pilot.parameters, scales, pilot.noise)
    return Candidate(
        design=design,
        names=tuple(scales),
        value=np.array([getattr(pilot.parameters, name) for name in scales]),
        scale=np.array(list(scales.values())),
        standard_error=error,
        correlation=correlation,
        inseparable=inseparable,
        second=sum(pilot.cost.second(item) for item in conditions) + pilot.cost.second(conditions[0], refined=True),
    )


def _cheapest(candidates: Sequence[Candidate], precision_percent: float) -> Candidate:
    enough = [item for item in candidates if item.percent.max() <= precision_percent]
    if enough:
        return min(enough, key=lambda item: item.second)
    best = min(candidates, key=lambda item: float(item.percent.max()))
    worst = int(np.argmax(best.percent))
    raise InputError(
        f"calibrate: no experiment determines every parameter to {precision_percent:g} %; the best ({best.design}) "
        f"determines {best.names[worst]} to {best.percent[worst]:.2g} %; ask for less, or tighten [simulator]"
    )


def _batches(
    tile: TileConfig, design: Design, pilot: Pilot, cell: CellCircuit | None, seed: int, runner: Runner
) -> tuple[PlannedBatch, ...]:
    conditions = design_experiment(tile, np.random.default_rng(seed), design)
    engine = engine_version(tile.simulator.engine)
    batches = []
    for number, (run_tile, item) in enumerate(experiment_runs(tile, conditions)):
        decks = list(batch_decks(run_tile, item.conductances, item.ticks, cell=cell))
        n_stored = sum(runner.has(runner.job(deck, engine, tile.simulator.timeout_second)) for deck in decks)
        refined = number == 0
        left = 1 - n_stored / len(decks)
        batches.append(
            PlannedBatch(
                name=item.name + (", tolerances halved" if refined else ""),
                n_row=item.tile.array.n_row,
                n_col=item.tile.array.n_col,
                n_vec=len(item.ticks),
                v_read_volt=item.tile.v_read_volt,
                deck_sha256=tuple(deck.sha256 for deck in decks),
                n_stored=n_stored,
                second=left * pilot.cost.second(item, refined=refined),
            )
        )
    return tuple(batches)
