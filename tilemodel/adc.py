"""Converters: the charge of a bit line to a code, one converter a line; a column's codes are combined digitally."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.tile import AdcConfig, CcoAdc, IdealAdc, LinearAdc

__all__ = ["lsb_coulomb", "quantize"]


def quantize(adc: AdcConfig, charge_line_coulomb: NDArray[np.float64], *, signed: bool) -> NDArray[np.int64] | None:
    """Codes of `charge_line_coulomb` (any shape), None for an ideal converter.

    linear: round to nearest (ties to even) of gain * charge / LSB + offset. cco: cycles truncated toward zero.
    Both saturate; an unsigned converter saturates at 0.
    """
    if isinstance(adc, IdealAdc):
        return None
    if isinstance(adc, LinearAdc):
        cycles = np.rint(adc.gain * charge_line_coulomb / lsb_coulomb(adc, signed=signed) + adc.offset_lsb)
    else:
        cycles = np.trunc(charge_line_coulomb * adc.f_hertz_per_ampere)
    highest = largest_code(adc, signed=signed)
    return np.clip(cycles, -highest if signed else 0, highest).astype(np.int64)


def largest_code(adc: LinearAdc | CcoAdc, *, signed: bool) -> int:
    """The code at which the converter saturates."""
    if isinstance(adc, CcoAdc):
        return adc.count_max
    return int(2 ** (adc.adc_bits - 1) - 1) if signed else int(2**adc.adc_bits - 1)


def lsb_coulomb(adc: LinearAdc | CcoAdc, *, signed: bool) -> float:
    """Charge of one code step, before the converter's gain [coulomb]."""
    if isinstance(adc, CcoAdc):
        return 1.0 / adc.f_hertz_per_ampere
    return adc.charge_full_scale_coulomb / largest_code(adc, signed=signed)
