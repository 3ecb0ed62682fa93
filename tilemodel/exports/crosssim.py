"""Sandia's CrossSim 3.2: `crosssim.json` for `CrossSimParameters.from_json`, and classes for what its fields lack.

A `rail_pair` is its interleaved balanced core: both cells of a weight on one column, rows without resistance. Tiles
with two bit lines a column are its plain balanced core: two arrays, each with row wires of its own. It solves for
currents at voltages; there is no time, so a charge is its current times the longest pulse.
"""

import dataclasses
import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import IdealAdc, LinearAdc
from tilemodel.config.noise import NoiseConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.bare import clamp_offset_lost, second_pair_lost
from tilemodel.exports.crosssim_circuit import coulomb_per_current, is_pair, parasitics, predict
from tilemodel.exports.crosssim_converter import clamp_offset_volt, clamp_share, conversion_lost, converter_law
from tilemodel.exports.crosssim_noise import noise_values, read_lost
from tilemodel.exports.probe import Probe
from tilemodel.exports.read_variance import mean_read_variance
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.without import losses
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.steps import programming_sigma
from tilemodel.variants import with_tables
from tilemodel.version import VERSION

__all__ = ["export_crosssim"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "CrossSim 3.2"
# Its defaults stop at 1e-3 of full scale after 100 sweeps
_VOLTAGE_TOLERANCE, _ITERATIONS_MAX = 1e-6, 1000
_BALANCED, _ONE_SIDED, _CALIBRATED = 1, 1, 1
_DEVICE, _ADC = "TileDevice", "TileADC"
_DONE = {
    "row drivers": "left out: its Rp_row_terminal lies in all segments of the first row, not in the first of all rows",
    "device": "left out: its cells are resistors",
    "access": "left out: its cells always conduct; the state dependence of the IR drop with it",
    "window": "left out: it has no time",
    "mismatch": "left out: all columns are alike",
    "adc lines": "left out: all columns are alike",
}


def export_crosssim(probe: Probe) -> Export:
    """The parameters as JSON, and a module with the classes that they name beyond CrossSim's own."""
    done = dict(_DONE)
    if is_pair(probe):
        done["row wires"] = "left out: its interleaved core with ideal rows is what this cell is"
    else:
        done["row wires"] = "Rp_row, in each of its two arrays, which do not share row wires as the tile's lines do"
    if not parasitics(probe)["enable"]:
        done["line ends"] = "left out: it has terminals where there are wires only"
    module = files("tilemodel.exports.modules").joinpath("crosssim_tile.py").read_text(encoding="utf-8")
    return Export(
        target="crosssim",
        target_version=TARGET_VERSION,
        upkeep="maintained",
        files={
            "crosssim.json": _text(_values(probe)),
            "crosssim_tile.json": _text(_tile_values(probe)),
            "crosssim_tile.py": module,
            "units.json": _text(_units(probe)),
        },
        losses=(
            *losses(probe, done),
            *second_pair_lost(probe),
            *_of_ends(probe),
            *read_lost(probe),
            *_polarity(probe),
            *conversion_lost(probe),
        ),
        predict=predict,
    )


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _values(probe: Probe) -> dict[str, Any]:
    tile, g = probe.tile, probe.tile.conductance
    pair = is_pair(probe)
    device: dict[str, Any] = {"Rmin": 1 / g.g_max_siemens, **_errors(probe)}
    if g.g_min_siemens > 0:
        device["Rmax"] = 1 / g.g_min_siemens
    else:
        device["infinite_on_off_ratio"] = True
    limits = {"min": -1.0, "max": 1.0, "clipping": True, "percentile": None}
    balanced = {"style": _ONE_SIDED, "interleaved_posneg": pair}
    # each line of a tile with two of them has a converter
    balanced["subtract_current_in_xbar"] = pair or isinstance(tile.adc, IdealAdc)
    return {
        "core": {
            "style": _BALANCED,
            "balanced": balanced,
            "mapping": {"weights": limits, "inputs": _both(limits)},
        },
        "xbar": {
            "device": device,
            "array": {"parasitics": parasitics(probe)},
            "dac": _both({"model": "SignMagnitudeDAC", "bits": tile.drive.input_bits, "signed": True}),
            "adc": _both(_adc(probe)),
        },
        "simulation": {
            "Niters_max_parasitics": _ITERATIONS_MAX,
            "Verr_th_mvm": _VOLTAGE_TOLERANCE,
            "hide_convergence_msg": True,
        },
    }


def _adc(probe: Probe) -> dict[str, Any]:
    """CrossSim's own converter where it is the tile's, else the class that is written beside it."""
    tile, adc = probe.tile, probe.tile.adc
    level = clamp_share(probe) == 0
    if isinstance(adc, IdealAdc) and level:
        return {"model": "IdealADC"}
    signed: dict[str, Any] = {"signed": True, "adc_range_option": _CALIBRATED}
    plain = isinstance(adc, LinearAdc) and adc.gain == 1 and adc.offset_lsb == 0 and not adc.inl_lsb
    if isinstance(adc, LinearAdc) and plain and level and tile.signed_lines:
        largest = adc.charge_full_scale_coulomb / coulomb_per_current(probe)
        return {
            "model": "SignMagnitudeADC",
            "bits": adc.adc_bits,
            "calibrated_range": [-largest, largest],
            **signed,
        }
    # its bits and range are not used, but without bits a converter is left out
    return {"model": _ADC, "bits": getattr(adc, "adc_bits", 8), "calibrated_range": [-1.0, 1.0], **signed}


def _tile_values(probe: Probe) -> dict[str, Any]:
    """What the classes read."""
    tile, g = probe.tile, probe.tile.conductance
    return {
        **_origin(probe),
        "device": {
            "g_min": g.g_min_siemens / g.g_max_siemens,
            "r_bit_line": probe.model.parameters.r_bit_line_ohm * g.g_max_siemens,
            "r_end": end_resistance_ohm(tile) * g.g_max_siemens if parasitics(probe)["enable"] else 0.0,
        },
        "read_out_end": tile.array.read_out_end,
        "noise": noise_values(probe),
        "clamp_offset_volt": clamp_offset_volt(probe),
        "clamp_share": clamp_share(probe),
        "converter": converter_law(probe, coulomb_per_current(probe)),
    }


def _both(values: dict[str, Any]) -> dict[str, Any]:
    """The same for products from either side, as CrossSim demands."""
    return {"mvm": values, "vmm": values}


def _origin(probe: Probe) -> dict[str, Any]:
    return {
        "schema_version": "tilemodel-export-crosssim-2",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": probe.tile.name, "sha256": probe.tile.sha256()},
    }


def _units(probe: Probe) -> dict[str, Any]:
    g = probe.tile.conductance
    per_output = coulomb_per_current(probe) * (g.g_max_siemens - g.g_min_siemens) / g.g_max_siemens
    return {
        **_origin(probe),
        "charge_per_output_coulomb": per_output,
        "use": "weights [n_col, n_row] and inputs in [-1, 1]; output times charge_per_output_coulomb is the charge",
    }


def _errors(probe: Probe) -> dict[str, Any]:
    """Which noise there is; the class does not use `magnitude`, the root mean square over the probe's cells / G_max."""
    noise = probe.tile.noise
    if noise is None:
        return {}
    g_max = probe.tile.conductance.g_max_siemens
    cells = np.concatenate([values.ravel() for values in probe.conductances.arrays().values()])
    found: dict[str, Any] = {}
    if any(getattr(noise, name) is not None for name in ("programming", "faults", "spread")):
        sigma = np.zeros_like(cells) if noise.programming is None else programming_sigma(noise.programming, cells)
        found["programming_error"] = _error(sigma / g_max)
    if tile_process(noise) is not None:
        c0, c1, c2 = mean_read_variance(probe)
        sigma = np.sqrt(np.maximum(c0 + (c1 + c2 * cells) * cells, 0.0))
        found["read_noise"] = _error(np.where(cells > 0, sigma, 0.0) / g_max)
    if _ages(noise):
        found["drift_error"] = _error(np.zeros(1))
        found["time"] = noise.t_since_programming_second
    return found


def _ages(noise: NoiseConfig) -> bool:
    """Whether CrossSim is to ask for the time since programming: it then takes programming as part of that."""
    return noise.t_since_programming_second > 0 and (noise.drift is not None or noise.long_term is not None)


def _error(relative_sigma: FloatArray) -> dict[str, Any]:
    magnitude = float(np.sqrt(np.mean(relative_sigma**2)))
    return {"enable": True, "model": _DEVICE, "magnitude": magnitude}


def _polarity(probe: Probe) -> list[Loss]:
    noise = probe.tile.noise
    if noise is None or noise.spread is None or noise.spread.polarity_sigma == 0:
        return []
    alone = noise.model_copy(update={"spread": noise.spread.model_copy(update={"conductance_sigma": 0.0})})
    model = probe.model.model_copy(update={"tile": probe.tile.model_copy(update={"noise": alone})})
    return [
        Loss(
            quantity="spread of polarity",
            value=f"polarity_sigma = {noise.spread.polarity_sigma:g}",
            done="left out: its cells conduct alike at both polarities",
            errors=dataclasses.replace(probe, model=model).errors_of_noise(["spread"]),
        )
    ]


def _of_ends(probe: Probe) -> list[Loss]:
    """What its arrays have no place for beside the quantities of all targets: ends and offsets of the bit lines."""
    tile, found = probe.tile, []
    if tile.array.read_out_end == "alternating":
        south = with_tables(tile, array=tile.array.model_copy(update={"read_out_end": "south"}))
        found.append(
            Loss(
                quantity="read-out end",
                value="alternating",
                done="all columns are read at the last row; make_core() has two cores, for both ends",
                errors=probe.errors_without(south, probe.model.parameters),
            )
        )
    if not is_pair(probe):
        found += clamp_offset_lost(probe, "left out: its columns end at the rows' reference")
    return found
