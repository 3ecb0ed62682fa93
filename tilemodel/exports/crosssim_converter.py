"""Clamp and converter of the tile as `TileADC` of `exports/modules/crosssim_tile.py` has them, and what it leaves out.

An output of 1 is the current of the largest conductance at full input, for the longest pulse.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import CcoAdc, IdealAdc, LinearAdc, RampAdc, without_lines
from tilemodel.config.cell import RailPairCell, RailQuadCell
from tilemodel.config.layout import line_count
from tilemodel.config.operands import combine_lines
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import PassOutput
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Loss
from tilemodel.model import TileModel
from tilemodel.parameters import DrivenParameters
from tilemodel.variants import with_tables

__all__ = ["clamp_offset_volt", "clamp_share", "conversion_lost", "converter_law"]

FloatArray = NDArray[np.float64]


def clamp_offset_volt(probe: Probe) -> float:
    """Of the clamps from the rows' common voltage, in tiles of one bit line a column."""
    cell, parameters = probe.tile.cell, probe.model.parameters
    if not isinstance(parameters, DrivenParameters) or not isinstance(cell, RailPairCell | RailQuadCell):
        return 0.0
    return float(parameters.v_clamp_volt - cell.v_common_volt)


def clamp_share(probe: Probe) -> float:
    """The clamp's offset over the read voltage, times all windows over the longest pulse; two phases cancel it."""
    tile, offset = probe.tile, clamp_offset_volt(probe)
    drives = tile_passes(tile, np.zeros((1, tile.array.n_row), dtype=np.int64))
    window = sum(item.factor * tile.t_window_second(item.n_tick_max) for item in drives)
    return float(offset / tile.v_read_volt * window / (tile.drive.n_tick_max * tile.drive.t_lsb_second))


def converter_law(probe: Probe, coulomb_per_output: float) -> dict[str, Any] | None:
    """The converter of a line as `TileADC` computes it; None for an ideal one."""
    tile, adc = probe.tile, probe.tile.adc
    if isinstance(adc, IdealAdc):
        return None
    bank = _bank(tile)
    gain, lsb, shift = bank.level_law()
    per_output = float(gain[0]) * coulomb_per_output / lsb
    law: dict[str, Any] = {
        "kind": adc.kind,
        "level_per_output": per_output,
        "level_offset": float(shift[0]),
        "code_per_output": coulomb_per_output / bank.lsb_coulomb,
        "smallest": bank.smallest_code,
        "largest": bank.largest_code,
        "odd": _is_odd(tile),
    }
    if isinstance(adc, LinearAdc):
        law["inl"] = list(adc.inl_lsb)
    elif isinstance(adc, CcoAdc):
        law |= {"phase": adc.phase_cycle, "curve_per_cycle": _curve(probe)}
    elif isinstance(adc, RampAdc):
        law |= {"bits": adc.adc_bits, "curvature": adc.ramp_curvature}
    return law


def _is_odd(tile: TileConfig) -> bool:
    """Whether lines of one sign are read in two phases, which CrossSim reads at once."""
    return tile.drive.sign == "two_phase" and not tile.signed_lines


def _bank(tile: TileConfig) -> ConverterBank:
    return ConverterBank(without_lines(tile.adc), None, line_count(tile), tile.signed_lines)


def _alike(probe: Probe) -> list[PassOutput]:
    """The probe's passes with all columns alike."""
    tile = with_tables(probe.tile, mismatch=None, adc=without_lines(probe.tile.adc))
    return TileModel(tile, probe.conductances, probe.model.parameters).passes(probe.ticks)


def _curve(probe: Probe) -> float:
    """h of cycles = n / (1 + h |n|) with n the cycles of a linear oscillator: least squares over the probe's lines."""
    adc = probe.tile.adc
    assert isinstance(adc, CcoAdc)
    if adc.i_half_ampere is None:
        return 0.0
    outputs = _alike(probe)
    straight = np.concatenate([adc.f_hertz_per_ampere * item.charge_line_coulomb for item in outputs])
    bent = np.concatenate([item.cycle_line for item in outputs if item.cycle_line is not None])
    slope = bent * np.abs(straight)
    power = float((slope**2).sum())
    return max(float(((straight - bent) * slope).sum() / power), 0.0) if power > 0 else 0.0


def conversion_lost(probe: Probe) -> list[Loss]:
    """One conversion where the tile has one a pass, and an oscillator's curve at a mean current."""
    tile, adc = probe.tile, probe.tile.adc
    if isinstance(adc, IdealAdc):
        return []
    outputs, bank = _alike(probe), _bank(tile)
    curved = bank.input == "current"
    if len(outputs) == 1 and not curved:
        return []
    gain, lsb, shift = bank.level_law()
    charge = np.sum([item.drive.factor * item.charge_line_coulomb for item in outputs], axis=0)
    level = gain * charge / lsb + shift
    if curved:
        level = level / (1 + _curve(probe) * np.abs(level))
    odd = _is_odd(tile)
    code = np.sign(level) * bank.codes_of_levels(np.abs(level)) if odd else bank.codes_of_levels(level)
    alike = with_tables(tile, mismatch=None, adc=without_lines(adc))
    truth = TileModel(alike, probe.conductances, probe.model.parameters).mvm(probe.ticks).code
    assert truth is not None
    step = bank.lsb_coulomb
    what = [f"{len(outputs)} passes"] if len(outputs) > 1 else []
    what += ["i_half_ampere"] if curved else []
    return [
        Loss(
            quantity="conversions",
            value=f"[adc] {adc.kind}, " + ", ".join(what),
            done="TileADC converts once what all passes give, an oscillator's curve at the mean current of the window; "
            "the error is that of the codes",
            errors=probe.errors(step * combine_lines(tile, code.astype(np.float64)), step * truth.astype(np.float64)),
        )
    ]
