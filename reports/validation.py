"""Validate the fast model of a tile against ngspice on random weights and vectors that no fit has seen."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.reference import reference_error_coulomb, timed_reference
from reports.accuracy import Accuracy, Verdict, judge, measure_accuracy
from reports.budget import Budget, error_budget
from reports.ir_drop import ir_drop_percent
from reports.measures import Measures, measure_tile
from reports.run_times import RunTimes
from reports.transient import Transient, transient_of
from spice_netlists.batch import Progress, runs_per_vector
from spice_netlists.cells import CellCircuit, own_cell_sha256
from spice_netlists.runs import Runner
from tilemodel.compact import CompactModel
from tilemodel.config.errors import InputError
from tilemodel.config.operands import (
    Conductances,
    combine_lines,
    conductances_from_weights,
    random_ticks,
    random_weights,
)
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel, ideal_charge
from tilemodel.output import TileOutput

__all__ = ["Validation", "validate"]

# Validation draws from another stream than calibration, whatever seeds the user gives to both
_STREAM = 0x5EED_0FF
# The model is timed in so many calls, as long as they don't take longer than this
_CALLS, _LONG_SECOND = 5, 1.0


@dataclass(frozen=True, kw_only=True)
class Validation:
    """A validated tile: the batch, what SPICE, the model and the ideal MAC gave, and the verdicts."""

    tile: TileConfig
    model: CompactModel | None
    cell: CellCircuit | None
    """A cell circuit of the user's own."""
    seed: int
    conductances: Conductances
    ticks: NDArray[np.int64]
    reference: TileOutput
    fast: TileOutput
    ideal_coulomb: NDArray[np.float64]
    """[n_vec, n_col]"""
    reference_error_coulomb: NDArray[np.float64]
    """[1, n_col]: of the first vector, simulated again with halved tolerances and time step."""
    accuracy: Accuracy
    measures: Measures
    ir_drop_percent: NDArray[np.float64]
    """[n_row, n_line], see `reports.ir_drop`."""
    transient: Transient | None
    """Of the output that errs most; None where `reports.transient.no_transient` says why."""
    times: RunTimes
    budget: Budget | None
    """Error budget of the fast model, where it was asked for and the tile has one."""
    no_budget: str | None
    """Why a budget that was asked for is not there."""
    verdicts: list[Verdict]

    @property
    def passed(self) -> bool:
        """Whether every spec of the tile file is met."""
        return all(verdict.passed for verdict in self.verdicts)


def validate(
    tile: TileConfig,
    model: CompactModel | None = None,
    *,
    cell: CellCircuit | None = None,
    n_vec: int = 8,
    seed: int = 0,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
    with_budget: bool = False,
) -> Validation:
    """Simulate `n_vec` random vectors through random weights and compare.

    `cell` is a cell circuit of the user's own; `model` must then be calibrated with it. `on_done(done, total)` counts
    simulator runs; `with_budget` adds an error budget (`reports.budget`); `runner` and `processes` are as in
    `spice_netlists.simulate`. Raises `InputError` where the fast model does not cover the tile (before anything is
    simulated), and what `simulate` raises.
    """
    if n_vec < 1:
        raise InputError(f"validate: needs at least one vector, got {n_vec}")
    _check_cell(tile, cell, model)
    if runner is None:
        with Runner("threads", processes=processes) as own:
            return validate(
                tile,
                model,
                cell=cell,
                n_vec=n_vec,
                seed=seed,
                runner=own,
                on_done=on_done,
                with_budget=with_budget,
            )
    rng = np.random.default_rng([_STREAM, seed])
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, n_vec)
    fast_model = TileModel(tile, conductances) if model is None else model.tile_model(conductances, tile)
    reference, reference_error, spice_second = _simulated(tile, conductances, ticks, cell, runner, on_done)
    fast, model_second = _timed(fast_model, ticks)
    ideal = ideal_charge(tile, conductances, ticks)
    accuracy = measure_accuracy(reference, fast, ideal, reference_error)
    error = np.abs(fast.charge_coulomb - reference.charge_coulomb)
    vector, column = (int(place) for place in np.unravel_index(np.argmax(error), error.shape))
    drop = ir_drop_percent(tile, conductances, ticks, fast_model.parameters)
    measures = measure_tile(tile, drop, reference.provenance["residual_current_fraction"])
    budget, no_budget = _budget(tile, model, seed) if with_budget else (None, None)
    return Validation(
        tile=tile,
        model=model,
        cell=cell,
        seed=seed,
        conductances=conductances,
        ticks=ticks,
        reference=reference,
        fast=fast,
        ideal_coulomb=ideal,
        reference_error_coulomb=reference_error,
        accuracy=accuracy,
        measures=measures,
        ir_drop_percent=drop,
        transient=transient_of(fast_model, ticks, vector, column, runner=runner, cell=cell),
        times=RunTimes(n_vec=n_vec, spice_second=spice_second, model_second=model_second),
        budget=budget,
        no_budget=no_budget,
        verdicts=judge(accuracy, tile.spec, measures),
    )


def _simulated(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    cell: CellCircuit | None,
    runner: Runner,
    on_done: Progress | None,
) -> tuple[TileOutput, NDArray[np.float64], float]:
    """SPICE's outputs, how far the first vector's move when tolerances and step are halved [1, n_col], run time."""
    per_vector, n_vec = runs_per_vector(tile), len(ticks)

    def progress_from(first: int) -> Progress:
        """Count on from `first`: one vector more than the batch is simulated, with halved tolerances."""
        return lambda done, _total: on_done(first + done, (n_vec + 1) * per_vector) if on_done else None

    reference, second = timed_reference(tile, conductances, ticks, cell=cell, runner=runner, on_done=progress_from(0))
    error_line = reference_error_coulomb(
        tile,
        conductances,
        ticks[:1],
        reference.charge_line_coulomb[:1],
        cell=cell,
        runner=runner,
        on_done=progress_from(n_vec * per_vector),
    )
    return reference, combine_lines(tile, error_line), second


def _timed(model: TileModel, ticks: NDArray[np.int64]) -> tuple[TileOutput, float]:
    """The model's outputs, and how long one call takes [second]: the shortest of some, or the first if it is long."""
    seconds: list[float] = []
    while len(seconds) < _CALLS and sum(seconds) < _LONG_SECOND:
        started = time.perf_counter()
        output = model.mvm(ticks)
        seconds.append(time.perf_counter() - started)
    return output, min(seconds)


def _budget(tile: TileConfig, model: CompactModel | None, seed: int) -> tuple[Budget | None, str | None]:
    """The budget, or why there is none."""
    try:
        return error_budget(tile, model, seed=seed), None
    except InputError as error:
        return None, str(error)


def _check_cell(tile: TileConfig, cell: CellCircuit | None, model: CompactModel | None) -> None:
    ours = own_cell_sha256(tile, cell)
    theirs = None if model is None else model.provenance.cell_sha256
    if ours != theirs:
        raise InputError(
            "validate: cell circuit and model belong together; give a model that was calibrated with this cell"
        )
