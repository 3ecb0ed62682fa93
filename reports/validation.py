"""Validate the fast model of a tile against ngspice on random weights and vectors that no fit has seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.reference import reference_error_coulomb, reference_output
from reports.accuracy import Accuracy, Verdict, judge, measure_accuracy
from reports.ir_drop import ir_drop_percent
from reports.measures import Measures, measure_tile
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
) -> Validation:
    """Simulate `n_vec` random vectors through random weights and compare.

    `cell` is a cell circuit of the user's own; `model` must then be calibrated with it. `on_done(done, total)`
    counts simulator runs; `runner` and `processes` are as in `spice_netlists.simulate`.
    Raises `InputError` where the fast model does not cover the tile (before anything is
    simulated), and what `simulate` raises.
    """
    if n_vec < 1:
        raise InputError(f"validate: needs at least one vector, got {n_vec}")
    _check_cell(tile, cell, model)
    if runner is None:
        with Runner("threads", processes=processes) as own:
            return validate(tile, model, cell=cell, n_vec=n_vec, seed=seed, runner=own, on_done=on_done)
    rng = np.random.default_rng([_STREAM, seed])
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, n_vec)
    fast_model = TileModel(tile, conductances) if model is None else model.tile_model(conductances, tile)
    reference, reference_error = _simulated(tile, conductances, ticks, cell, runner, on_done)
    fast = fast_model.mvm(ticks)
    ideal = ideal_charge(tile, conductances, ticks)
    accuracy = measure_accuracy(reference, fast, ideal, reference_error)
    error = np.abs(fast.charge_coulomb - reference.charge_coulomb)
    vector, column = (int(place) for place in np.unravel_index(np.argmax(error), error.shape))
    drop = ir_drop_percent(tile, conductances, ticks, fast_model.parameters)
    measures = measure_tile(tile, drop, reference.provenance["residual_current_fraction"])
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
        verdicts=judge(accuracy, tile.spec, measures),
    )


def _simulated(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    cell: CellCircuit | None,
    runner: Runner,
    on_done: Progress | None,
) -> tuple[TileOutput, NDArray[np.float64]]:
    """SPICE's outputs, and how far those of the first vector move when tolerances and step are halved, [1, n_col]."""
    per_vector, n_vec = runs_per_vector(tile), len(ticks)

    def progress_from(first: int) -> Progress:
        """Count on from `first`: one vector more than the batch is simulated, with halved tolerances."""
        return lambda done, _total: on_done(first + done, (n_vec + 1) * per_vector) if on_done else None

    reference = reference_output(tile, conductances, ticks, cell=cell, runner=runner, on_done=progress_from(0))
    error_line = reference_error_coulomb(
        tile,
        conductances,
        ticks[:1],
        reference.charge_line_coulomb[:1],
        cell=cell,
        runner=runner,
        on_done=progress_from(n_vec * per_vector),
    )
    return reference, combine_lines(tile, error_line)


def _check_cell(tile: TileConfig, cell: CellCircuit | None, model: CompactModel | None) -> None:
    ours = own_cell_sha256(tile, cell)
    theirs = None if model is None else model.provenance.cell_sha256
    if ours != theirs:
        raise InputError(
            "validate: cell circuit and model belong together; give a model that was calibrated with this cell"
        )
