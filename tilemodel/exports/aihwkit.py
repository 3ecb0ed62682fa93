"""IBM's aihwkit 1.1.0: its time-sliced IR-drop tile. Field by field: docs/aihwkit.md.

That tile is a `rail_pair` of ideal rows with rails at 0.6 / 0.4 / 0.2 V and ticks of 1 ns. The circuit is linear:
other voltages and ticks are the same circuit in other units, so they are rescaled. Half of the last bit-line segment,
in front of the clamp, is missing there.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import CcoAdc, IdealAdc, LinearAdc
from tilemodel.config.cell import GatedCell, LinearDevice, RailPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_noise_preset
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import IdealClamp
from tilemodel.config.tile import TileConfig
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Export, Loss
from tilemodel.exports.without import losses
from tilemodel.model import TileModel
from tilemodel.parameters import DrivenParameters
from tilemodel.variants import with_tables
from tilemodel.version import VERSION

__all__ = ["export_aihwkit", "nearest_rail_pair"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "aihwkit 1.1.0"
_V_COMMON, _V_READ, _T_LSB = 0.4, 0.2, 1e-9
_MODES = {"conventional": "ONE_PASS", "split": "SPLIT_MODE", "bit_wise": "BIT_WISE"}
_DONE = {
    "row wires": "left out: its rails are ideal",
    "row drivers": "left out: its rails are ideal",
    "line ends": "left out: its bit lines end in an ideal clamp",
    "device": "left out: its cells are resistors",
    "access": "left out: its cells always conduct; the state dependence of the IR drop with it",
    "window": "left out: it integrates settled currents",
    "mismatch": "left out: all columns are alike",
    "adc law": "left out: its rounding has neither; apply them to the output digitally",
    "adc lines": "left out: all columns are alike",
    "telegraph": "left out",
    "faults": "left out",
    "spread": "left out",
}
_READ_LAW = "left out: its law of read noise is hard-coded and not this one"
_READ_SAME = (
    "switched on in training and inference, but coarser: one duration for all rows and vectors of a batch, and only "
    "|G+ - G-| is perturbed"
)


def export_aihwkit(probe: Probe) -> Export:
    """JSON and a module with `make_rpu_config()`.

    Raises `InputError` for amplitude-coded inputs, which it has no circuit for.
    """
    tile = probe.tile
    if tile.drive.coding not in _MODES:
        raise InputError(f"tile {tile.name}: aihwkit's IR-drop tile has pulses only; drive.coding is 'amplitude'")
    values = _values(probe)
    module = files("tilemodel.exports.modules").joinpath("aihwkit_tile.py").read_text(encoding="utf-8")
    read_is_its_own = values["forward"]["apply_xdep_pcm_read_noise"]
    done = {**_DONE, "read": _READ_SAME if read_is_its_own else _READ_LAW}
    if not isinstance(tile.adc, CcoAdc | LinearAdc | IdealAdc):
        done["adc"] = "left out: it has oscillators and rounding only"
    found = [*losses(probe, done), *_of_geometry(probe), *_of_cell(probe), *_of_oscillator(tile)]
    return Export(
        target="aihwkit",
        target_version=TARGET_VERSION,
        upkeep="maintained",
        files={"aihwkit.json": json.dumps(values, indent=2) + "\n", "aihwkit_tile.py": module},
        losses=tuple(found),
        predict=_predict,
    )


def nearest_rail_pair(tile: TileConfig, r_bit_line_ohm: float, v_clamp_volt: float) -> TileConfig:
    """The circuit that aihwkit solves for `tile`: resistors on ideal rails, its window, no converter.

    A bit line of 2 n - 1 nodes in segments of half the length, every other one without a cell, ends half a segment
    behind the last cell, as aihwkit's does.
    """
    pulse = tile.drive
    array = tile.array.model_copy(update={"n_row": 2 * tile.array.n_row - 1, "read_out_end": "alternating"})
    none = {"r_row_ohm": 0.0, "r_driver_ohm": 0.0, "r_terminal_ohm": 0.0, "c_bit_line_farad": 0.0, "c_row_farad": 0.0}
    wires = tile.wires.model_copy(
        update={**none, "r_bit_line_ohm": r_bit_line_ohm / 2, "temperature_coefficient_per_kelvin": 0.0}
    )
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
    near = nearest_rail_pair(tile, _r_bit_line(probe), _V_COMMON + _clamp_offset_volt(probe) * _window_ratio(tile))
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    spread = np.zeros((len(probe.ticks), near.array.n_row), dtype=np.int64)
    spread[:, ::2] = probe.ticks
    given = probe.conductances
    arrays = {name: np.zeros((near.array.n_row, near.array.n_col)) for name in ("g_plus", "g_minus")}
    arrays["g_plus"][::2], arrays["g_minus"][::2] = given.g_plus, given.g_minus
    charge: FloatArray = TileModel(near, Conductances(**arrays)).mvm(spread).charge_coulomb
    return charge * ratio


def _values(probe: Probe) -> dict[str, Any]:
    tile = probe.tile
    drive, adc, g = tile.drive, tile.adc, tile.conductance
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
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
    noise = tile.noise
    return {
        "schema_version": "tilemodel-export-aihwkit-1",
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
            "apply_xdep_pcm_read_noise": _is_its_read_law(tile),
        },
        "units": {"code_per_output": code_per_output, "charge_per_output_coulomb": unit},
        "noise": _noise_values(noise),
    }


def _noise_values(noise: NoiseConfig | None) -> dict[str, Any]:
    """The laws with conductances in microsiemens, as aihwkit has them; None where there is none."""
    values: dict[str, Any] = dict.fromkeys(("programming", "drift", "long_term"))
    for name in values:
        law = None if noise is None else getattr(noise, name)
        if law is None:
            continue
        plain = law.model_dump(mode="json")
        plain["g_reference_microsiemens"] = 1e6 * plain.pop("g_reference_siemens")
        if "coefficients_siemens" in plain:
            plain["coefficients_microsiemens"] = [1e6 * c for c in plain.pop("coefficients_siemens")]
        values[name] = plain
    return values


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


def _is_its_read_law(tile: TileConfig) -> bool:
    """Whether read noise is the law that aihwkit has in its code, at its tick, in one pass.

    A pass without any pulse ends its read noise in an error, and split and bit-wise inputs have such passes.
    """
    if tile.noise is None or tile.noise.read is None or tile.drive.t_lsb_second != _T_LSB:
        return False
    if tile.drive.coding != "conventional":
        return False
    own = NoiseConfig.model_validate({**load_noise_preset("pcm_ibm")}).read
    return tile.noise.read == own


def _of_cell(probe: Probe) -> list[Loss]:
    cell = probe.tile.cell
    if cell.kind == "rail_pair":
        return []
    what = "both pairs" if cell.kind == "rail_quad" else "G+ and G-"
    return [
        Loss(
            quantity="cell",
            value=cell.kind,
            done=f"{what} sit on one bit line between two rails there; see the error as a whole",
            errors=None,
        )
    ]


def _of_oscillator(tile: TileConfig) -> list[Loss]:
    adc = tile.adc
    if isinstance(adc, CcoAdc) and (adc.i_half_ampere is not None or adc.phase_cycle != 0):
        value = f"half frequency at {adc.i_half_ampere} A, phase {adc.phase_cycle:g}"
        done = "left out: its oscillators are linear and start at phase 0"
        return [Loss(quantity="oscillator curvature, phase", value=value, done=done, errors=None)]
    return []


def _of_geometry(probe: Probe) -> list[Loss]:
    """Half a segment before the clamp."""
    tile = probe.tile
    if tile.cell.kind != "rail_pair" or not isinstance(probe.model.parameters, DrivenParameters):
        return []
    if not probe.model.parameters.is_ohmic or tile.wires.r_row_ohm or tile.wires.r_driver_ohm or not _r_bit_line(probe):
        return []  # it is part of the whole's error there, and not to be told apart
    return [
        Loss(
            quantity="last segment",
            value=f"{_r_bit_line(probe) / 2:g} ohm",
            done="half of the last segment is missing there",
            errors=probe.errors(_predict(probe)),
        )
    ]
