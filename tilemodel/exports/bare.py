"""What targets that lack our wires, clamps or converters share."""

from math import ceil, log2

from tilemodel.config.adc import CcoAdc, IdealAdc
from tilemodel.config.cell import RailQuadCell
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Loss
from tilemodel.parameters import DrivenParameters
from tilemodel.variants import with_tables

__all__ = ["adc_bits", "bit_lines_lost", "clamp_offset_lost", "one_pair", "pair_gain", "second_pair_lost"]


def adc_bits(tile: TileConfig) -> int | None:
    """Bits of the converter with its sign, the fewest that hold an oscillator's largest count; None without one."""
    adc = tile.adc
    if isinstance(adc, IdealAdc):
        return None
    if isinstance(adc, CcoAdc):
        return ceil(log2(adc.count_max + 1)) + (1 if tile.signed_lines else 0)
    return adc.adc_bits


def bit_lines_lost(probe: Probe, done: str) -> list[Loss]:
    """The bit lines' resistance, where there is any."""
    parameters = probe.model.parameters
    if parameters.r_bit_line_ohm == 0:
        return []
    tile = with_tables(probe.tile, wires=probe.tile.wires.model_copy(update={"r_bit_line_ohm": 0.0}))
    errors = probe.errors_without(tile, parameters.model_copy(update={"r_bit_line_ohm": 0.0}))
    value = f"{parameters.r_bit_line_ohm:g} ohm a cell"
    return [Loss(quantity="bit line wires", value=value, done=done, errors=errors)]


def clamp_offset_lost(probe: Probe, done: str) -> list[Loss]:
    """The clamps' deviation from the voltage at which driven rows rest, where there is any."""
    tile, parameters = probe.tile, probe.model.parameters
    v_common = getattr(tile.cell, "v_common_volt", None)
    if not isinstance(parameters, DrivenParameters) or v_common is None or parameters.v_clamp_volt == v_common:
        return []
    level = with_tables(tile, read_out=tile.read_out.model_copy(update={"v_clamp_volt": v_common}))
    errors = probe.errors_without(level, parameters.model_copy(update={"v_clamp_volt": v_common}))
    value = f"{parameters.v_clamp_volt - v_common:g} V"
    return [Loss(quantity="clamp offset", value=value, done=done, errors=errors)]


def pair_gain(tile: TileConfig) -> float:
    """Charge of a weight over that of its first pair alone, for targets with one pair of cells a weight."""
    return 1.0 + 1.0 / tile.cell.significance if isinstance(tile.cell, RailQuadCell) else 1.0


def one_pair(given: Conductances) -> Conductances:
    """Without a second pair, which holds the same weights."""
    return Conductances(g_plus=given.g_plus, g_minus=given.g_minus)


def second_pair_lost(probe: Probe) -> list[Loss]:
    """The second pair of a 4-PCM cell."""
    if not isinstance(probe.tile.cell, RailQuadCell):
        return []
    done = "one pair stands for both, its charge scaled; the second pair's conductance and noise are left out"
    value = f"significance {probe.tile.cell.significance:g}"
    return [Loss(quantity="second pair", value=value, done=f"{done}; see the error as a whole", errors=None)]
