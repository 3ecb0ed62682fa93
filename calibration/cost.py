"""How long circuit simulations will take.

A run takes `start + n_cell * (per_cell + per_cell_step * n_step)`: reading the models, setting up the circuit and
finding its state at rest, then one solution a time step. Steps are those of the longest allowed length, and some more
about every instant at which pulses begin or end. The constants come from runs of small decks of the same technology.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from calibration.experiment import Condition
from spice_netlists.batch import SpiceResult, runs_per_vector
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig

__all__ = ["CostModel", "cost_of_runs"]

# Halved steps and tolerances take at least twice the steps
_REFINED_STEPS = 2.0


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Time of a run on the machine that ran the small decks."""

    start_second: float
    per_cell_second: float
    per_cell_step_second: float
    steps_per_instant: float
    refined_steps: float
    """Steps with halved tolerances, in units of those without."""

    def second(self, condition: Condition, *, refined: bool = False) -> float:
        """All runs of `condition`, one after the other."""
        tile, ticks = condition.tile, condition.ticks
        steps = _base_steps(tile) * len(ticks) + self.steps_per_instant * _n_instant(condition)
        solved = _n_cell(condition) * steps * (self.refined_steps if refined else 1.0)
        fixed = self.start_second * runs_per_vector(tile) + self.per_cell_second * _n_cell(condition)
        return fixed * len(ticks) + self.per_cell_step_second * solved


def cost_of_runs(runs: Sequence[tuple[Condition, SpiceResult]], refined: SpiceResult) -> CostModel:
    """The cost model through `runs` of different sizes; `refined` repeats the last with tolerances halved.

    Every deck of a run is taken to hold all its condition's cells, as those of small tiles do.
    """
    extra = [sum(run.n_step) - _base_steps(item.tile) * len(item.ticks) for item, run in runs]
    timed = [*runs, (runs[-1][0], refined)]
    rows = [(1.0, _n_cell(item), _n_cell(item) * step) for item, run in timed for step in run.n_step]
    start, per_cell, per_cell_step = _constants(
        np.array(rows), np.concatenate([np.array(run.wall_second) for _, run in timed])
    )
    return CostModel(
        start_second=start,
        per_cell_second=per_cell,
        per_cell_step_second=per_cell_step,
        steps_per_instant=max(0.0, sum(extra) / sum(_n_instant(item) for item, _ in runs)),
        refined_steps=max(_REFINED_STEPS, sum(refined.n_step) / sum(runs[-1][1].n_step)),
    )


def _constants(terms: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """Factors of `terms` [n_run, 3], none negative, for the smallest relative errors of their sums from `second`."""
    scaled = terms / second[:, np.newaxis]
    size = scaled.max(axis=0)
    found, _ = nnls(scaled / size, np.ones(len(second)))
    start, per_cell, per_cell_step = (found / size).tolist()
    return start, per_cell, per_cell_step


def _n_cell(condition: Condition) -> int:
    return sum(values.size for values in condition.conductances.arrays().values())


def _base_steps(tile: TileConfig) -> float:
    """Steps of the longest allowed length in the runs of one vector."""
    at_rest = np.zeros((1, tile.array.n_row), dtype=np.int64)
    window = sum(tile.t_window_second(drive.n_tick_max) for drive in tile_passes(tile, at_rest))
    return window / (tile.simulator.max_step_per_lsb * tile.drive.t_lsb_second)


def _n_instant(condition: Condition) -> int:
    """Instants at which pulses begin or end, of all vectors together."""
    total = 0
    for vector in condition.ticks:
        lengths = np.unique(np.abs(vector[vector != 0])).size
        ends = min(lengths, 1) if condition.tile.drive.coding == "amplitude" else lengths
        total += min(lengths, 1) + ends
    return total
