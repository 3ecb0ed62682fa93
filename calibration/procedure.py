"""Calibrate a tile's technology: design, simulate, fit, and keep everything that the result rests on."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import numpy as np

from calibration.experiment import Condition, design_experiment
from calibration.fit import Fit, Observation, fit_parameters
from calibration.reference import reference_output
from tilemodel.compact import CompactModel, FitStatistics
from tilemodel.config.tile import GatedCell, SwitchAccess, TileConfig
from tilemodel.output import TileOutput
from tilemodel.parameters import GatedParameters, RailPairParameters, parameters_from_tile
from tilemodel.version import VERSION

__all__ = ["calibrate", "starting_point"]

Progress = Callable[[int, int], None]


def calibrate(
    tile: TileConfig, *, seed: int = 0, processes: int | None = None, on_done: Progress | None = None
) -> CompactModel:
    """Fit the fast model of `tile`'s technology to ngspice.

    `on_done(done, total)` follows the experiment's conditions. Raises what `simulate` and `fit_parameters` raise.
    """
    conditions = design_experiment(tile, np.random.default_rng(seed))
    first = conditions[0]
    runs = [
        *((item.tile, item) for item in conditions),
        (first.tile.model_copy(update={"simulator": tile.simulator.refined()}), first),
    ]
    *outputs, refined = _simulate_all(runs, processes, on_done)
    observations = [
        Observation(condition=condition, charge_line_coulomb=output.charge_line_coulomb)
        for condition, output in zip(conditions, outputs, strict=True)
    ]
    reference_error = refined.charge_line_coulomb - outputs[0].charge_line_coulomb
    start, scales = starting_point(tile)
    fit = fit_parameters(observations, start, scales)
    full_scale = max(float(np.abs(output.charge_line_coulomb).max()) for output in outputs)
    provenance = _provenance(seed, conditions, outputs)
    provenance["reference_error_percent_full_scale"] = 100 * float(np.abs(reference_error).max()) / full_scale
    return CompactModel(tile=tile, parameters=fit.parameters, fit=_statistics(fit, full_scale), provenance=provenance)


def _simulate_all(
    runs: list[tuple[TileConfig, Condition]], processes: int | None, on_done: Progress | None
) -> list[TileOutput]:
    """Simulate the conditions side by side, each in one process at a time."""
    with ThreadPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        futures = [
            pool.submit(reference_output, tile, item.conductances, item.ticks, processes=1) for tile, item in runs
        ]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                future.result()
                if on_done is not None:
                    on_done(number, len(runs))
        finally:
            for future in futures:
                future.cancel()
    return [future.result() for future in futures]


def starting_point(
    tile: TileConfig,
) -> tuple[RailPairParameters | GatedParameters, dict[str, float]]:
    """Where the fit starts, and the parameters that it varies with their typical sizes.

    Wires of a transistor tile keep the tile file's resistance: 32 rows tell little about it, and it is known.
    """
    if not isinstance(tile.cell, GatedCell):
        return parameters_from_tile(tile), {
            "r_bit_line_ohm": max(tile.wires.r_bit_line_ohm, 0.1),
            "v_read_volt": tile.v_read_volt,
            "v_clamp_volt": tile.v_read_volt,
        }
    if isinstance(tile.cell.access, SwitchAccess):
        return parameters_from_tile(tile), {
            "r_bit_line_ohm": max(tile.wires.r_bit_line_ohm, 0.1),
            "r_access_ohm": tile.cell.access.r_on_ohm,
            "q_pulse_coulomb_per_siemens": 1e-12 * tile.v_read_volt,
        }
    g, v = tile.conductance.g_max_siemens, tile.v_read_volt
    r, q = 0.05 / g, 1e-16
    start = GatedParameters(r_bit_line_ohm=tile.wires.r_bit_line_ohm, r_access_ohm=r)
    return start, {
        "r_access_ohm": r,
        "r_access_slope_ohm_per_ampere": r / (g * v),
        "q_pulse_coulomb": q,
        "q_pulse_coulomb_per_siemens": q / g,
        "q_pulse_coulomb_per_siemens2": q / g**2,
        "c_pulse_farad": q / v,
    }


def _statistics(fit: Fit, full_scale: float) -> FitStatistics:
    residual = fit.residual_coulomb
    return FitStatistics(
        fitted=list(fit.fitted),
        standard_error=fit.standard_error.tolist(),
        correlation=fit.correlation.tolist(),
        n_observation=residual.size,
        residual_rms_coulomb=float(np.sqrt(np.mean(residual**2))),
        residual_max_coulomb=float(np.abs(residual).max()),
        residual_max_percent_full_scale=100 * float(np.abs(residual).max()) / full_scale,
    )


def _provenance(seed: int, conditions: list[Condition], outputs: list[TileOutput]) -> dict[str, Any]:
    return {
        "package": f"tilemodel {VERSION}",
        "engine": outputs[0].provenance["engine"],
        "seed": seed,
        "conditions": [
            {
                "name": condition.name,
                "n_row": condition.tile.array.n_row,
                "n_col": condition.tile.array.n_col,
                "v_read_volt": condition.tile.v_read_volt,
                **{
                    key: output.provenance[key]
                    for key in ("tile_sha256", "conductances_sha256", "deck_sha256", "residual_current_fraction")
                },
            }
            for condition, output in zip(conditions, outputs, strict=True)
        ],
    }
