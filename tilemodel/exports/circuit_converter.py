"""The tile's converters for circuit exports: one node integrates a line's current to a level, one is the code of it.

Expressions are those that ngspice and Verilog-A share. Levels are those of `ConverterBank.level_law`: codes before
rounding, cycles of an oscillator.
"""

from itertools import pairwise

import numpy as np

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import CcoAdc, LinearAdc, RampAdc, SarAdc
from tilemodel.config.errors import InputError
from tilemodel.conversion import converter_bank
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Loss

__all__ = ["code_expression", "conversion_losses", "converts", "level_rate", "level_shift"]


def converts(probe: Probe) -> bool:
    """Whether the tile has converters."""
    return probe.tile.adc.kind != "ideal"


def level_rate(bank: ConverterBank, line: int, current: str) -> str:
    """Levels per second at the expression `current` [ampere]."""
    if isinstance(bank.adc, CcoAdc):
        slope, half = bank.rate_law()
        bend = f"/(1+abs({current})/{half!r})" if np.isfinite(half) else ""
        return f"{float(slope[line])!r}*({current}){bend}"
    gain, lsb, _ = bank.level_law()
    return f"{float(gain[line] / lsb)!r}*({current})"


def level_shift(bank: ConverterBank, line: int) -> float:
    """What is added to the level that has been integrated."""
    return float(bank.level_law()[2][line])


def code_expression(bank: ConverterBank, level: str) -> str:
    """The code of the expression `level`, by `ConverterBank.codes_of_levels` but for a SAR converter's capacitors.

    Raises `InputError` for an INL of each line's own.
    """
    adc, smallest, largest = bank.adc, bank.smallest_code, bank.largest_code
    if getattr(adc, "inl_line_lsb", ()):
        raise InputError("adc.inl_line_lsb: circuit exports hold one INL for all lines (inl_lsb); leave it out")
    if isinstance(adc, CcoAdc):
        code = f"({level} < 0 ? -1 : 1)*floor(abs({level})+{adc.phase_cycle!r})"
    elif isinstance(adc, LinearAdc):
        code = f"floor({level}{_inl(adc, smallest, largest, level)}+0.5)"
    elif isinstance(adc, RampAdc):
        code = f"floor({_ramp_time(adc, f'({level}-({smallest}))')})+({smallest})"
    else:
        code = f"floor({level})"
    return f"max({smallest}, min({largest}, {code}))"


def _inl(adc: LinearAdc, smallest: int, largest: int, level: str) -> str:
    """Straight pieces between the knots, held beyond, as a sum of ramps."""
    if not adc.inl_lsb:
        return ""
    knots = np.linspace(smallest, largest, len(adc.inl_lsb))
    pieces = [f"+({adc.inl_lsb[0]!r})"]
    for (x, end), (low, high) in zip(pairwise(knots), pairwise(adc.inl_lsb), strict=True):
        slope = (high - low) / (end - x)
        if slope:
            pieces.append(f"+({float(slope)!r})*(max({float(x)!r}, min({float(end)!r}, {level}))-({float(x)!r}))")
    return "".join(pieces)


def _ramp_time(adc: RampAdc, counts: str) -> str:
    """Clock periods until the ramp stands at `counts`: n u (1 + 4 c (1 - u)), solved for n u."""
    n, c = 2**adc.adc_bits, adc.ramp_curvature
    if c == 0:
        return counts
    rise = 1 + 4 * c
    return f"{n / (8 * c)!r}*({rise!r}-sqrt(max(0, {rise**2!r}-({16 * c / n!r})*{counts})))"


def conversion_losses(probe: Probe) -> list[Loss]:
    """Mismatch of a SAR converter's capacitors, by the codes that it changes."""
    tile, adc = probe.tile, probe.tile.adc
    sigma = 0.0 if tile.mismatch is None else tile.mismatch.adc_unit_capacitor_sigma
    if not isinstance(adc, SarAdc) or sigma == 0:
        return []
    assert tile.mismatch is not None
    bank = converter_bank(tile)
    even = ConverterBank(
        adc, tile.mismatch.model_copy(update={"adc_unit_capacitor_sigma": 0.0}), bank.n_line, bank.signed
    )
    charges = np.concatenate([output.charge_line_coulomb for output in probe.programmed.passes(probe.ticks)])
    codes, nominal = bank.codes(charges), even.codes(charges)
    assert codes is not None
    assert nominal is not None
    step = bank.lsb_coulomb
    return [
        Loss(
            quantity="converter's capacitors",
            value=f"adc_unit_capacitor_sigma = {sigma:g}",
            done="left out: all are exact; the error is that of a line's codes",
            errors=probe.errors(step * nominal.astype(np.float64), step * codes.astype(np.float64)),
        )
    ]
