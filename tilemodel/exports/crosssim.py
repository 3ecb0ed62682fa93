"""Sandia's CrossSim 3.2: `crosssim.json` for `CrossSimParameters.from_json`.

A `rail_pair` is its interleaved balanced core: both cells of a weight on one column, rows without resistance. Tiles
with two bit lines a column are its plain balanced core: two arrays, each with row wires of its own. It solves for
currents at voltages; there is no time, so a charge is its current times the longest pulse.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import LinearAdc
from tilemodel.config.cell import LinearDevice, RailPairCell
from tilemodel.config.read_out import IdealClamp
from tilemodel.exports.bare import clamp_offset_lost
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.without import losses
from tilemodel.model import TileModel
from tilemodel.noise.read_noise import read_noise_process
from tilemodel.noise.steps import programming_sigma
from tilemodel.variants import with_tables
from tilemodel.version import VERSION

__all__ = ["export_crosssim"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "CrossSim 3.2"
# Its defaults stop at 1e-3 of full scale after 100 sweeps
_VOLTAGE_TOLERANCE, _ITERATIONS_MAX = 1e-6, 1000
_BALANCED, _ONE_SIDED, _CALIBRATED = 1, 1, 1
_SIGMA = "one sigma for all conductances, the root mean square over the probe's cells"
_DONE = {
    "row drivers": "left out: its Rp_row_terminal lies in all segments of the first row, not in the first of all rows",
    "device": "left out: its cells are resistors",
    "access": "left out: its cells always conduct; the state dependence of the IR drop with it",
    "window": "left out: it has no time",
    "mismatch": "left out: all columns are alike",
    "adc law": "left out: its converters have neither; apply them to the output digitally",
    "adc lines": "left out: all columns are alike",
    "programming": f"xbar.device.programming_error: {_SIGMA}",
    "read": f"xbar.device.read_noise: {_SIGMA}, at the mean pulse of the probe",
    "telegraph": "left out",
    "drift": "left out: switch on a drift model of its own",
    "long_term": "left out",
    "faults": "left out",
    "spread": "left out",
}


def export_crosssim(probe: Probe) -> Export:
    """The parameters as JSON."""
    done = dict(_DONE)
    if _is_pair(probe):
        done["row wires"] = "left out: its interleaved core with ideal rows is what this cell is"
    else:
        done["row wires"] = "Rp_row, in each of its two arrays, which do not share row wires as the tile's lines do"
    if not isinstance(probe.tile.adc, LinearAdc):
        done["adc"] = "left out: its converters round"
    return Export(
        target="crosssim",
        target_version=TARGET_VERSION,
        upkeep="maintained",
        files={"crosssim.json": json.dumps(_values(probe), indent=2) + "\n", "units.json": _units(probe)},
        losses=(*losses(probe, done), *_of_ends(probe)),
        predict=_predict,
    )


def _is_pair(probe: Probe) -> bool:
    return probe.tile.cell.kind in ("rail_pair", "rail_quad")


def _values(probe: Probe) -> dict[str, Any]:
    tile, g = probe.tile, probe.tile.conductance
    pair = _is_pair(probe)
    device: dict[str, Any] = {"Rmin": 1 / g.g_max_siemens, **_errors(probe)}
    if g.g_min_siemens > 0:
        device["Rmax"] = 1 / g.g_min_siemens
    else:
        device["infinite_on_off_ratio"] = True
    adc: dict[str, Any] = {"model": "IdealADC"}
    if isinstance(tile.adc, LinearAdc):
        largest = tile.adc.charge_full_scale_coulomb / _coulomb_per_current(probe)
        adc = {
            "model": "SignMagnitudeADC",
            "bits": tile.adc.adc_bits,
            "signed": True,
            "adc_range_option": _CALIBRATED,
            "calibrated_range": [-largest, largest],
        }
    limits = {"min": -1.0, "max": 1.0, "clipping": True, "percentile": None}
    return {
        "core": {
            "style": _BALANCED,
            "balanced": {"style": _ONE_SIDED, "interleaved_posneg": pair, "subtract_current_in_xbar": True},
            "mapping": {"weights": limits, "inputs": _both(limits)},
        },
        "xbar": {
            "device": device,
            "array": {"parasitics": _parasitics(probe)},
            "dac": _both({"model": "SignMagnitudeDAC", "bits": tile.drive.input_bits, "signed": True}),
            "adc": _both(adc),
        },
        "simulation": {
            "Niters_max_parasitics": _ITERATIONS_MAX,
            "Verr_th_mvm": _VOLTAGE_TOLERANCE,
            "hide_convergence_msg": True,
        },
    }


def _both(values: dict[str, Any]) -> dict[str, Any]:
    """The same for products from either side, as CrossSim demands."""
    return {"mvm": values, "vmm": values}


def _parasitics(probe: Probe) -> dict[str, Any]:
    wires, parameters = probe.tile.wires_in_use, probe.model.parameters
    pair = _is_pair(probe)
    r_row = getattr(parameters, "r_row_ohm", wires.r_row_ohm)
    values = {
        "Rp_col": parameters.r_bit_line_ohm,
        "Rp_row": 0.0 if pair else r_row,
        "Rp_row_terminal": 0.0,
        "Rp_col_terminal": 0.0,
    }
    return {"enable": any(value > 0 for value in values.values()), **values}


def _coulomb_per_current(probe: Probe) -> float:
    """What its current, in units of G_max at full input, is as a charge."""
    tile = probe.tile
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    longest = tile.drive.n_tick_max * tile.drive.t_lsb_second
    return float(ratio * tile.conductance.g_max_siemens * tile.v_read_volt * longest)


def _units(probe: Probe) -> str:
    g = probe.tile.conductance
    per_output = _coulomb_per_current(probe) * (g.g_max_siemens - g.g_min_siemens) / g.g_max_siemens
    content = {
        "schema_version": "tilemodel-export-crosssim-1",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": probe.tile.name, "sha256": probe.tile.sha256()},
        "charge_per_output_coulomb": per_output,
        "use": "weights [n_col, n_row] and inputs in [-1, 1]; output times charge_per_output_coulomb is the charge",
    }
    return json.dumps(content, indent=2) + "\n"


def _errors(probe: Probe) -> dict[str, Any]:
    """Programming error and read noise as one sigma, relative to G_max."""
    noise = probe.tile.noise
    g_max = probe.tile.conductance.g_max_siemens
    cells = np.concatenate([values.ravel() for values in probe.conductances.arrays().values()])
    sigmas: dict[str, FloatArray] = {}
    if noise is not None and noise.programming is not None:
        sigmas["programming_error"] = programming_sigma(noise.programming, cells)
    if noise is not None and noise.read is not None:
        mean = max(1.0, float(np.abs(probe.ticks).mean())) * probe.tile.drive.t_lsb_second
        sigmas["read_noise"] = read_noise_process(noise.read).sigma_siemens(cells, mean)
    return {
        name: {"enable": True, "model": "NormalIndependentDevice", "magnitude": float(np.sqrt(np.mean(s**2)) / g_max)}
        for name, s in sigmas.items()
    }


def _of_ends(probe: Probe) -> list[Loss]:
    """What its arrays have no place for beside the quantities of all targets: ends and offsets of the bit lines."""
    tile, found = probe.tile, []
    if tile.array.read_out_end == "alternating":
        south = with_tables(tile, array=tile.array.model_copy(update={"read_out_end": "south"}))
        found.append(
            Loss(
                quantity="read-out end",
                value="alternating",
                done="all columns are read at the last row",
                errors=probe.errors_without(south, probe.model.parameters),
            )
        )
    found += clamp_offset_lost(probe, "left out: its columns end at the rows' reference")
    return found


def _predict(probe: Probe) -> FloatArray:
    return _pair_charge(probe) if _is_pair(probe) else _two_arrays_charge(probe)


def _pair_charge(probe: Probe) -> FloatArray:
    """Of resistors on ideal rows, all columns read at the last row by ideal clamps at the common voltage."""
    tile = probe.tile
    none = dict.fromkeys(("r_row_ohm", "r_driver_ohm", "r_terminal_ohm", "c_bit_line_farad", "c_row_farad"), 0.0)
    wires = tile.wires.model_copy(
        update={
            **none,
            "r_bit_line_ohm": probe.model.parameters.r_bit_line_ohm,
            "temperature_coefficient_per_kelvin": 0.0,
        }
    )
    device = LinearDevice(kind="linear", polarity_asymmetry=0.0)
    cell = RailPairCell(kind="rail_pair", v_common_volt=0.0, v_read_volt=tile.v_read_volt, device=device)
    clamp = {"v_clamp_volt": 0.0, "circuit": IdealClamp(kind="ideal"), "window": "settled"}
    near = with_tables(
        tile,
        array=tile.array.model_copy(update={"read_out_end": "south"}),
        wires=wires,
        cell=cell,
        read_out=tile.read_out.model_copy(update=clamp),
        conditions=tile.conditions.model_copy(update={"wire_resistance_factor": 1.0, "supply_factor": 1.0}),
        mismatch=None,
        noise=None,
    )
    charge: FloatArray = TileModel(near, probe.conductances).mvm(probe.ticks).charge_coulomb
    return charge * float(getattr(tile.read_out.circuit, "ratio", 1.0))


def _two_arrays_charge(probe: Probe) -> FloatArray:
    """Of G+ and G- in arrays of their own, subtracted."""
    from tilemodel.solvers.mesh import mesh_transfer

    parasitics, given = _parasitics(probe), probe.conductances
    tile = probe.tile
    transfers = [
        mesh_transfer(
            g[np.newaxis],
            r_bit_ohm=parasitics["Rp_col"],
            r_end_ohm=0.0,
            r_row_ohm=parasitics["Rp_row"],
            r_driver_ohm=0.0,
            driven_end="west",
            north=np.zeros(tile.array.n_col, dtype=bool),
        )[0][0]
        for g in (given.g_plus, given.g_minus)
    ]
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    unit = ratio * tile.v_read_volt * tile.drive.t_lsb_second
    charge: FloatArray = probe.ticks.astype(np.float64) @ (transfers[0] - transfers[1]) * unit
    return charge
