"""IBM's aihwkit 1.1.0: its time-sliced IR-drop tile. Field by field: docs/aihwkit.md.

That tile is a `rail_pair` of ideal rows with rails at 0.6 / 0.4 / 0.2 V and ticks of 1 ns. The circuit is linear:
other voltages and ticks are the same circuit in other units, so they are rescaled. Half of the last bit-line segment,
in front of the clamp, is missing there; the generated tile takes it, and what else the lines end in, into account.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import lsb_coulomb
from tilemodel.config.adc import CcoAdc, IdealAdc, LinearAdc
from tilemodel.config.cell import GatedCell, LinearDevice, RailPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import IdealClamp
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.bare import one_pair, pair_gain, second_pair_lost
from tilemodel.exports.probe import Probe
from tilemodel.exports.read_variance import row_read_variance, sigma_errors
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.without import losses
from tilemodel.model import TileModel
from tilemodel.noise.read_noise import tile_process
from tilemodel.parameters import DrivenParameters
from tilemodel.variants import with_tables
from tilemodel.version import VERSION

__all__ = ["export_aihwkit"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "aihwkit 1.1.0"
_V_COMMON, _V_READ = 0.4, 0.2
_MODES = {"conventional": "ONE_PASS", "split": "SPLIT_MODE", "bit_wise": "BIT_WISE"}
_DONE = {
    "row wires": "left out: its rails are ideal",
    "row drivers": "left out: its rails are ideal",
    "device": "left out: its cells are resistors",
    "access": "left out: its cells always conduct; the state dependence of the IR drop with it",
    "window": "left out: it integrates settled currents",
    "mismatch": "left out: all columns are alike",
    "adc lines": "left out: all columns are alike",
    "faults": "left out",
    "spread": "left out",
}


def export_aihwkit(probe: Probe) -> Export:
    """JSON and a module with `make_rpu_config()`.

    Raises `InputError` for amplitude-coded inputs, which it has no circuit for.
    """
    tile = probe.tile
    if tile.drive.coding not in _MODES:
        raise InputError(f"tile {tile.name}: aihwkit's IR-drop tile has pulses only; drive.coding is 'amplitude'")
    values = _values(probe)
    module = files("tilemodel.exports.modules").joinpath("aihwkit_tile.py").read_text(encoding="utf-8")
    done = dict(_DONE)
    if not isinstance(tile.adc, CcoAdc | LinearAdc | IdealAdc):
        done["adc"] = "left out: it has oscillators and rounding only"
    found = [
        *losses(probe, done),
        *_of_ends(probe),
        *_of_cell(probe),
        *_of_adc(probe),
        *_of_passes(probe),
    ]
    return Export(
        target="aihwkit",
        target_version=TARGET_VERSION,
        upkeep="maintained",
        files={"aihwkit.json": json.dumps(values, indent=2) + "\n", "aihwkit_tile.py": module},
        losses=tuple(found),
        predict=_predict,
    )


def _nearest_rail_pair(tile: TileConfig, r_bit_line_ohm: float, v_clamp_volt: float) -> TileConfig:
    """The circuit that the exported tile solves: resistors on ideal rails, aihwkit's window, no converter."""
    pulse = tile.drive
    array = tile.array.model_copy(update={"read_out_end": "alternating"})
    none = dict.fromkeys(("r_row_ohm", "r_driver_ohm", "c_bit_line_farad", "c_row_farad"), 0.0)
    lines = {"r_bit_line_ohm": r_bit_line_ohm, "r_terminal_ohm": end_resistance_ohm(tile)}
    wires = tile.wires.model_copy(update={**none, **lines, "temperature_coefficient_per_kelvin": 0.0})
    cell = RailPairCell(
        kind="rail_pair",
        v_common_volt=_V_COMMON,
        v_read_volt=tile.v_read_volt,
        device=LinearDevice(kind="linear", polarity_asymmetry=0.0),
    )
    t_lsb, edge = pulse.t_lsb_second, pulse.t_edge_second
    drive = pulse.model_copy(update={"sign": "polarity", "t_start_second": 0.5 * (t_lsb - edge)})
    read_out = tile.read_out.model_copy(
        update={
            "v_clamp_volt": v_clamp_volt,
            "circuit": IdealClamp(kind="ideal"),
            "window": "settled",
            "t_tail_second": 0.5 * (t_lsb - edge),
        }
    )
    conditions = tile.conditions.model_copy(update={"wire_resistance_factor": 1.0, "supply_factor": 1.0})
    tables: dict[str, Any] = {"mismatch": None, "noise": None, "adc": IdealAdc(kind="ideal"), "conditions": conditions}
    return with_tables(tile, array=array, wires=wires, cell=cell, drive=drive, read_out=read_out, **tables)


def _predict(probe: Probe) -> FloatArray:
    tile = probe.tile
    near = _nearest_rail_pair(tile, _r_bit_line(probe), _V_COMMON + _clamp_offset_volt(probe) * _window_ratio(tile))
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0) * pair_gain(tile)
    charge: FloatArray = TileModel(near, one_pair(probe.conductances)).mvm(probe.ticks).charge_coulomb
    return charge * ratio


def _values(probe: Probe) -> dict[str, Any]:
    tile = probe.tile
    drive, adc, g = tile.drive, tile.adc, tile.conductance
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0) * pair_gain(tile)
    # output 1 is (g_max - g_min) v_read for all of the longest pulse
    unit = ratio * (g.g_max_siemens - g.g_min_siemens) * tile.v_read_volt * drive.n_tick_max * drive.t_lsb_second
    rounding, code_per_output, frequency = (-1.0, -1.0), 0.0, None
    if isinstance(adc, CcoAdc):
        frequency = adc.f_hertz_per_ampere * ratio * 1e-4 * drive.t_lsb_second * tile.v_read_volt / _V_READ
        code_per_output = adc.f_hertz_per_ampere * unit
    elif isinstance(adc, LinearAdc):
        largest = 2 ** (adc.adc_bits - 1) - 1
        rounding = (1 / (2 * largest), adc.charge_full_scale_coulomb / unit)
        code_per_output = largest * unit / adc.charge_full_scale_coulomb
    return {
        "schema_version": "tilemodel-export-aihwkit-2",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": tile.name, "sha256": tile.sha256()},
        "mapping": {"max_input_size": tile.array.n_row, "max_output_size": tile.array.n_col},
        "conductance": {"g_max_microsiemens": 1e6 * g.g_max_siemens, "g_min_microsiemens": 1e6 * g.g_min_siemens},
        "forward": {
            "inp_res": 1 / (2**drive.input_bits - 2),
            "inp_bound": 1.0,
            "mv_type": _MODES[drive.coding],
            "split_mode_bit_shift": drive.split_low_bits or 3,
            "ir_drop": 1.0,
            "ir_drop_rs": _r_bit_line(probe),
            "ir_drop_v_read": _V_COMMON + _clamp_offset_volt(probe) * _window_ratio(tile) * _V_READ / tile.v_read_volt,
            "adc_quantization": frequency is not None,
            "adc_frequency": frequency,
            "out_res": rounding[0],
            "out_bound": rounding[1],
        },
        "oscillator": {"phase_cycle": adc.phase_cycle, "count_max": adc.count_max} if isinstance(adc, CcoAdc) else None,
        "line": {"r_end_ohm": end_resistance_ohm(tile)},
        "units": {"code_per_output": code_per_output, "charge_per_output_coulomb": unit},
        "noise": _noise_values(tile),
    }


def _noise_values(tile: TileConfig) -> dict[str, Any]:
    """The laws with conductances in microsiemens, as aihwkit has them; None where there is none."""
    noise = tile.noise
    values: dict[str, Any] = {"read": _read_values(noise, tile.drive.t_lsb_second)}
    for name in ("programming", "drift", "long_term"):
        values[name] = None
        law = None if noise is None else getattr(noise, name)
        if law is None:
            continue
        plain = law.model_dump(mode="json")
        plain["g_reference_microsiemens"] = 1e6 * plain.pop("g_reference_siemens")
        if "coefficients_siemens" in plain:
            plain["coefficients_microsiemens"] = [1e6 * c for c in plain.pop("coefficients_siemens")]
        values[name] = plain
    return values


def _read_values(noise: NoiseConfig | None, t_lsb_second: float) -> dict[str, Any] | None:
    """The process of read and telegraph noise: Lorentzians by rate, weights per power of G, and white noise."""
    process = None if noise is None else tile_process(noise)
    if process is None:
        return None
    unit = np.array([1e12, 1e6, 1.0])
    return {
        "t_lsb_second": t_lsb_second,
        "rate_per_second": process.rate_per_second.tolist(),
        "weight": (unit[:, np.newaxis] * process.weight).tolist(),
        "white": (unit * process.white).tolist(),
    }


def _r_bit_line(probe: Probe) -> float:
    return float(probe.model.parameters.r_bit_line_ohm)


def _clamp_offset_volt(probe: Probe) -> float:
    """Of the clamp from the common voltage; the clamp of a `gated_1t1r` tile is its read voltage."""
    cell, parameters = probe.tile.cell, probe.model.parameters
    if isinstance(cell, GatedCell):
        return 0.0
    clamp = parameters.v_clamp_volt if isinstance(parameters, DrivenParameters) else probe.tile.read_out.v_clamp_volt
    return float(clamp - cell.v_common_volt)


def _window_ratio(tile: TileConfig) -> float:
    """Our windows over aihwkit's, all passes together: the clamp's offset is stretched by it.

    aihwkit's window of a pass is its longest pulse and one tick.
    """
    drives = tile_passes(tile, np.zeros((1, tile.array.n_row), dtype=np.int64))
    ours = sum(abs(item.factor) * tile.t_window_second(item.n_tick_max) for item in drives)
    # it has one pass where a two-phase tile has two that are subtracted
    theirs = sum(abs(item.factor) * (item.n_tick_max + 1) * tile.drive.t_lsb_second for item in drives)
    return ours / theirs


def _of_passes(probe: Probe) -> list[Loss]:
    """Read noise is drawn anew in every pass."""
    noise = probe.tile.noise
    if noise is None or tile_process(noise) is None or len(tile_passes(probe.tile, probe.ticks)) == 1:
        return []
    return [
        Loss(
            quantity="read noise from pass to pass",
            value=probe.tile.drive.coding,
            done="drawn anew in every pass; the error is that of the outputs' standard deviation",
            errors=sigma_errors(probe, row_read_variance(probe, between_passes=False)),
        )
    ]


def _of_ends(probe: Probe) -> list[Loss]:
    """Odd columns are read before their first row, whatever the tile does."""
    tile = probe.tile
    if tile.array.read_out_end == "alternating" or _r_bit_line(probe) == 0:
        return []
    both = with_tables(tile, array=tile.array.model_copy(update={"read_out_end": "alternating"}))
    return [
        Loss(
            quantity="read-out end",
            value=tile.array.read_out_end,
            done="odd columns are read before the first row, even ones behind the last",
            errors=probe.errors_without(both, probe.model.parameters),
        )
    ]


def _of_cell(probe: Probe) -> list[Loss]:
    cell = probe.tile.cell
    if cell.kind in ("rail_pair", "rail_quad"):
        return second_pair_lost(probe)
    return [
        Loss(
            quantity="cell",
            value=cell.kind,
            done="G+ and G- sit on one bit line between two rails there; see the error as a whole",
            errors=None,
        )
    ]


def _of_adc(probe: Probe) -> list[Loss]:
    """What its rounding and its oscillators lack, by the codes that it changes."""
    adc = probe.tile.adc
    if isinstance(adc, LinearAdc) and (adc.gain != 1 or adc.offset_lsb != 0 or any(adc.inl_lsb)):
        plain: LinearAdc | CcoAdc = adc.model_copy(update={"gain": 1.0, "offset_lsb": 0.0, "inl_lsb": ()})
        quantity = "converter gain, offset, INL"
        done = "left out: its rounding has neither; apply them to the output digitally"
        value = f"gain {adc.gain:g}, offset {adc.offset_lsb:g} LSB, {len(adc.inl_lsb)} knots of INL"
    elif isinstance(adc, CcoAdc) and adc.i_half_ampere is not None:
        plain = adc.model_copy(update={"i_half_ampere": None})
        quantity, done = "oscillator curvature", "left out: its oscillators are linear"
        value = f"half frequency at {adc.i_half_ampere:g} A"
    else:
        return []
    other = TileModel(with_tables(probe.tile, adc=plain), probe.conductances, probe.model.parameters)
    found, own = other.mvm(probe.ticks).code, probe.programmed.mvm(probe.ticks).code
    assert found is not None
    assert own is not None
    step = lsb_coulomb(adc, signed=probe.tile.signed_lines)
    errors = probe.errors(step * found.astype(np.float64), step * own.astype(np.float64))
    return [Loss(quantity=quantity, value=value, done=f"{done}; the error is that of the codes", errors=errors)]
