"""A pilot: a small experiment, simulated and fitted, tells what a larger one will cost and how far its data scatter.

The scatter that standard errors rest on is what the model leaves of the simulator's charges. With ideal cells that is
the simulator's own error, with transistors mostly what the model lacks; only a fit shows it.
"""

from dataclasses import dataclass

import numpy as np

from calibration.cost import CostModel, cost_of_runs
from calibration.experiment import Condition, Design, design_experiment
from calibration.fit import Observation, fit_parameters
from calibration.procedure import starting_point
from spice_netlists.batch import SpiceResult, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.runs import Runner
from tilemodel.config.errors import InputError
from tilemodel.config.tile import SimulatorConfig, TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["Pilot", "run_pilot"]

_TINY, _PILOT = Design(n_row=4, n_col=1), Design(n_row=8, n_col=4)


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What the pilot found."""

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
    """Simulate 8 rows and 4 columns, one after the other so that their times are a run's own, and fit.

    What `runner`'s store has is not run again. Raises what `simulate` raises.
    """
    tiny = design_experiment(tile, np.random.default_rng(seed), _TINY)[0]
    conditions = design_experiment(tile, np.random.default_rng(seed), _PILOT)
    items = [tiny, *conditions[1:], conditions[0]]
    runs = [(item, _run(item, cell, runner, item.tile.simulator)) for item in items]
    refined = _run(conditions[0], cell, runner, tile.simulator.refined())
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
        cost=cost_of_runs(runs, refined),
        parameters=parameters,
        fitted=scatter > 0,
        noise=max(scatter, reference_noise),
        reference_noise=reference_noise,
        n_run=sum(len(run.wall_second) for run in all_runs),
        second=sum(sum(run.wall_second) for run in all_runs),
    )


def _run(item: Condition, cell: CellCircuit | None, runner: Runner, simulator: SimulatorConfig) -> SpiceResult:
    return simulate(item.tile, item.conductances, item.ticks, cell=cell, simulator=simulator, runner=runner)
