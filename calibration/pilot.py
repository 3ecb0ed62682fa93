"""A pilot: a small experiment, simulated and fitted, tells what a larger one will cost and how far its data scatter.

The scatter that standard errors rest on is what the model leaves of the simulator's charges. With ideal cells that is
the simulator's own error, with transistors mostly what the model lacks; only a fit shows it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from calibration.cost import CostModel, cost_of_runs
from calibration.experiment import Condition, Design, design_experiment
from calibration.fit import Observation, fit_parameters
from calibration.procedure import starting_point
from spice_netlists.batch import SpiceResult, run_side_by_side, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.runs import Runner
from tilemodel.config.cell import GatedCell, GatedPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.tile import SimulatorConfig, TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["Pilot", "run_pilot"]

_TINY = Design(n_row=4, n_col=1)


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What the pilot found."""

    design: Design
    cost: CostModel
    parameters: AnyParameters
    """Fitted to the pilot, or the fit's starting values where it determines none."""
    fitted: bool
    noise: float
    """Scatter of a charge, of its condition's largest: that about the fit, or the reference's error if that is more."""
    reference_noise: float
    """Root mean square change of a charge when the simulator's tolerances and step are halved, of the largest."""
    n_run: int
    second: float
    """What the pilot's runs took when they were computed, which may be at another time."""


def run_pilot(tile: TileConfig, *, cell: CellCircuit | None, runner: Runner, seed: int = 0) -> Pilot:
    """Simulate a small experiment, as many runs at a time as the calibration's, and fit.

    What `runner`'s store has is not run again. Raises what `simulate` raises.
    """
    tiny = design_experiment(tile, np.random.default_rng(seed), _TINY)[0]
    design = _pilot_design(tile)
    conditions = design_experiment(tile, np.random.default_rng(seed), design)
    items = [tiny, *conditions[1:], conditions[0]]
    tasks: list[Callable[[threading.Event], SpiceResult]] = [
        partial(_run, item, cell, runner, tile.simulator) for item in items
    ]
    tasks.append(partial(_run, conditions[0], cell, runner, tile.simulator.refined()))
    *usual, refined = run_side_by_side(tasks, processes=len(tasks), on_done=None)
    runs = list(zip(items, usual, strict=True))
    charge = runs[-1][1].charge_line_coulomb
    change = (refined.charge_line_coulomb - charge) / np.abs(charge).max()
    reference_noise = float(np.sqrt(np.mean(change**2)))
    start, scales = starting_point(tile, own_cell=cell is not None)
    observations = [Observation(condition=item, charge_line_coulomb=run.charge_line_coulomb) for item, run in runs[1:]]
    try:
        fit = fit_parameters(observations, start, scales)
    except InputError:  # the plan itself says what cannot be separated
        parameters, scatter = start, 0.0
    else:
        parameters, n_free = fit.parameters, fit.weighted_residual.size - len(scales)
        scatter = float(np.sqrt(fit.weighted_residual @ fit.weighted_residual / n_free))
    all_runs = [*(run for _, run in runs), refined]
    return Pilot(
        design=design,
        cost=cost_of_runs(runs, refined),
        parameters=parameters,
        fitted=scatter > 0,
        noise=max(scatter, reference_noise),
        reference_noise=reference_noise,
        n_run=sum(len(run.wall_second) for run in all_runs),
        second=sum(sum(run.wall_second) for run in all_runs),
    )


def _pilot_design(tile: TileConfig) -> Design:
    """8 x 4; with driven rows 32 x 4, for the simulator's error grows with their number there, and runs are short."""
    gated = isinstance(tile.cell, GatedCell | GatedPairCell)
    return Design(n_row=8 if gated else 32, n_col=4)


def _run(
    item: Condition, cell: CellCircuit | None, runner: Runner, simulator: SimulatorConfig, stop: threading.Event
) -> SpiceResult:
    return simulate(item.tile, item.conductances, item.ticks, cell=cell, simulator=simulator, runner=runner, stop=stop)
