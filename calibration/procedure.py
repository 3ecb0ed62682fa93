"""Calibrate a tile's technology: design, simulate, fit, and keep everything that the result rests on."""

import threading
from functools import partial

import numpy as np

from calibration.experiment import Condition, Design, design_experiment
from calibration.fit import Fit, Observation, fit_parameters
from calibration.read_out import calibrate_read_out
from calibration.reference import reference_output
from calibration.selection import select_parameters
from spice_netlists.batch import Progress, run_side_by_side, runs_per_vector
from spice_netlists.cells import CellCircuit, own_cell_sha256
from spice_netlists.runs import Runner
from tilemodel.compact import CompactModel, ConditionRecord, FitStatistics, Provenance
from tilemodel.config.cell import GatedCell, GatedPairCell, LinearDevice, SubcktDevice, SwitchAccess
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.output import TileOutput
from tilemodel.parameters import (
    AnyParameters,
    GatedPairParameters,
    GatedParameters,
    driven_parameters,
    parameters_from_tile,
)
from tilemodel.selection import ModelSelection
from tilemodel.validity import ValidityRange
from tilemodel.version import VERSION

__all__ = ["calibrate", "experiment_runs", "starting_point"]


def calibrate(
    tile: TileConfig,
    *,
    cell: CellCircuit | None = None,
    seed: int = 0,
    design: Design | None = None,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> CompactModel:
    """Fit the fast model of `tile`'s technology to ngspice; `cell` is a cell circuit of the user's own.

    `design` is another experiment than the usual one (`plan_calibration` chooses one), `runner` and `processes` are as
    in `simulate`. `on_done(done, total)` follows the simulator's runs. Raises what `simulate` and `fit_parameters`
    raise.
    """
    ramp = isinstance(tile.read_out.circuit, Sky130RampReadOut)
    # cells are fitted under ideal clamps, a transistor-level read-out with the cells known
    conditions = design_experiment(tile.with_ideal_read_out() if ramp else tile, np.random.default_rng(seed), design)
    start, scales = starting_point(tile, own_cell=cell is not None)
    for condition in conditions:  # what the model does not cover is refused before hours of simulation
        TileModel(condition.tile, condition.conductances, start)
    refined, *outputs = _simulate_all(experiment_runs(tile, conditions), cell, processes, runner, on_done)
    observations = [
        Observation(condition=condition, charge_line_coulomb=output.charge_line_coulomb)
        for condition, output in zip(conditions, outputs, strict=True)
    ]
    reference_error = refined.charge_line_coulomb - outputs[0].charge_line_coulomb
    fit = fit_parameters(observations, start, scales)
    read_out = None
    if ramp:
        read_out = calibrate_read_out(
            tile, fit.parameters, cell=cell, seed=seed, processes=processes, runner=runner, on_done=on_done
        )
    largest = max(float(np.abs(output.charge_line_coulomb).max()) for output in outputs)
    return CompactModel(
        schema_version="tilemodel-compact-2",
        tile=tile,
        parameters=fit.parameters,
        fit=_statistics(fit, largest, select_parameters(tile, observations, fit, scales)),
        read_out=read_out,
        provenance=Provenance(
            package=f"tilemodel {VERSION}",
            engine=outputs[0].provenance["engine"],
            seed=seed,
            cell_sha256=own_cell_sha256(tile, cell),
            conditions=_records(conditions, outputs),
            reference_error_percent_of_largest_charge=100 * float(np.abs(reference_error).max()) / largest,
        ),
        validity=ValidityRange.of_experiment(
            tile, [item.tile.array.n_row for item in conditions], [item.tile.v_read_volt for item in conditions]
        ),
    )


def experiment_runs(tile: TileConfig, conditions: list[Condition]) -> list[tuple[TileConfig, Condition]]:
    """What is simulated: the first condition with the simulator's tolerances halved, then all as they are.

    The longest run comes first, so that the others fill the time beside it.
    """
    first = conditions[0]
    refined = first.tile.model_copy(update={"simulator": tile.simulator.refined()})
    return [(refined, first), *((item.tile, item) for item in conditions)]


def _simulate_all(
    runs: list[tuple[TileConfig, Condition]],
    cell: CellCircuit | None,
    processes: int | None,
    runner: Runner | None,
    on_done: Progress | None,
) -> list[TileOutput]:
    """Simulate the conditions side by side: all in `runner`, or each in one process at a time."""
    n_run = [runs_per_vector(tile) * len(item.ticks) for tile, item in runs]
    n_done, lock = [0] * len(runs), threading.Lock()

    def task(place: int, stop: threading.Event) -> TileOutput:
        def count(done: int, _total: int) -> None:
            with lock:
                n_done[place] = done
                if on_done is not None:
                    on_done(sum(n_done), sum(n_run))

        tile, item = runs[place]
        return reference_output(
            tile, item.conductances, item.ticks, cell=cell, processes=1, runner=runner, on_done=count, stop=stop
        )

    n_thread = processes if runner is None else len(runs)
    return run_side_by_side([partial(task, place) for place in range(len(runs))], processes=n_thread, on_done=None)


def starting_point(tile: TileConfig, *, own_cell: bool = False) -> tuple[AnyParameters, dict[str, float]]:
    """Where the fit starts, and the parameters that it varies with their typical sizes.

    Wires without resistance are not fitted, nor those of a tile with transistors or the user's own cells:
    32 rows tell little about them beside the cells, and they are known.
    """
    r_wire = tile.wires_in_use.r_bit_line_ohm
    wire = {"r_bit_line_ohm": r_wire} if r_wire > 0 else {}
    cell, v = tile.cell, tile.v_read_volt
    if isinstance(cell.device, SubcktDevice):
        ohmic = LinearDevice(kind="linear", polarity_asymmetry=0.0)
        start = driven_parameters(tile, device=ohmic).model_copy(update={"device_curvature_per_volt2": 1.0})
        return start, {"g_factor": 1.0, "device_curvature_per_volt2": 1.0, "polarity_asymmetry": 0.1}
    if not isinstance(cell, GatedCell | GatedPairCell):
        return parameters_from_tile(tile), {**wire, "v_read_volt": v, "v_clamp_volt": v}
    sides = ("",) if isinstance(cell, GatedCell) else ("upper_", "lower_")
    if isinstance(cell.access, SwitchAccess) and not own_cell:
        # the charge in proportion to conductance is what a pulse is longer by: the simulator's moment of switching
        return parameters_from_tile(tile), {
            **wire,
            **dict.fromkeys((_access_name("r", side) for side in sides), cell.access.r_on_ohm),
            **dict.fromkeys((_access_name("q", side, "_per_siemens") for side in sides), 1e-12 * v),
        }
    g = tile.conductance.g_max_siemens
    r, q = 0.05 / g, 1e-16
    kind = GatedParameters if isinstance(cell, GatedCell) else GatedPairParameters
    scales: dict[str, float] = {}
    for side in sides:
        scales |= {
            _access_name("r", side): r,
            _access_name("r", side, "_slope"): r / (g * v),
            _access_name("q", side): q,
            _access_name("q", side, "_per_siemens"): q / g,
            _access_name("q", side, "_per_siemens2"): q / g**2,
            f"c_{side or 'pulse_'}farad": q / v,
        }
    return kind.of_switch(r_bit_line_ohm=r_wire, r_access_ohm=r), scales


def _access_name(letter: str, side: str, suffix: str = "") -> str:
    """Name of an access device's parameter in `GatedParameters` (no side) or `GatedPairParameters`."""
    if letter == "r":
        stem = f"r_{side or 'access_'}"
        return f"{stem}slope_ohm_per_ampere" if suffix == "_slope" else f"{stem}ohm"
    return f"q_{side or 'pulse_'}coulomb{suffix}"


def _statistics(fit: Fit, largest: float, selection: ModelSelection) -> FitStatistics:
    residual = fit.residual_coulomb
    return FitStatistics(
        fitted=list(fit.fitted),
        standard_error=fit.standard_error.tolist(),
        correlation=fit.correlation.tolist(),
        n_observation=residual.size,
        residual_rms_coulomb=float(np.sqrt(np.mean(residual**2))),
        residual_max_coulomb=float(np.abs(residual).max()),
        residual_max_percent_of_largest_charge=100 * float(np.abs(residual).max()) / largest,
        selection=selection,
    )


def _records(conditions: list[Condition], outputs: list[TileOutput]) -> list[ConditionRecord]:
    kept = (
        "tile_sha256",
        "conductances_sha256",
        "ticks_sha256",
        "deck_sha256",
        "n_attempt",
        "convergence_help",
        "residual_current_fraction",
    )
    return [
        ConditionRecord(
            name=condition.name,
            n_row=condition.tile.array.n_row,
            n_col=condition.tile.array.n_col,
            v_read_volt=condition.tile.v_read_volt,
            **{key: output.provenance[key] for key in kept},
        )
        for condition, output in zip(conditions, outputs, strict=True)
    ]
