"""What the fast model predicts for measured data: charges, or the average code of each charge."""

import numpy as np
from numpy.typing import NDArray

from calibration.measured import MeasuredData
from tilemodel.adc import ConverterBank
from tilemodel.config.adc import CcoAdc, LinearAdc
from tilemodel.config.operands import combine_lines
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import PassOutput, converter_bank
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters

__all__ = ["coulomb_per_unit", "predicted", "saturates"]

FloatArray = NDArray[np.float64]


def predicted(tile: TileConfig, parameters: AnyParameters, data: MeasuredData) -> FloatArray:
    """The model's values for `data`, in the shape of `data.values`.

    A code's prediction is the average over all charges about the model's, so that it varies smoothly and the
    residuals are the converter's rounding: within half a step.
    """
    model = TileModel(tile, data.conductances, parameters)
    if data.quantity == "charge_line_coulomb":
        return model.charges(data.ticks)
    if data.quantity == "charge_coulomb":
        return combine_lines(tile, model.charges(data.ticks))
    bank = converter_bank(tile)
    total: FloatArray = np.sum(
        [item.drive.factor * _average_code(bank, _level(bank, item)) for item in model.passes(data.ticks)], axis=0
    )
    return combine_lines(tile, total)


def saturates(tile: TileConfig, parameters: AnyParameters, data: MeasuredData) -> NDArray[np.bool_]:
    """Which codes of `data` [n_vec, n_col] hold a conversion within a step of its converter's end."""
    bank = converter_bank(tile)
    model = TileModel(tile, data.conductances, parameters)
    ends = []
    for item in model.passes(data.ticks):
        average = _average_code(bank, _level(bank, item), limited=False)
        lowest = bank.smallest_code + 1 if bank.signed else 0
        ends.append((average > bank.largest_code - 1) | (average < lowest))
    line = np.any(ends, axis=0)
    columns: NDArray[np.bool_] = line.reshape(len(data.ticks), tile.array.n_col, tile.lines_per_column).any(axis=2)
    return columns


def coulomb_per_unit(tile: TileConfig, data: MeasuredData) -> float:
    """Charge of one unit of the data: 1, or that of one code step [coulomb]."""
    return converter_bank(tile).lsb_coulomb if data.quantity == "code" else 1.0


def _level(bank: ConverterBank, item: PassOutput) -> FloatArray:
    """What the converter rounds [steps]."""
    if item.cycle_line is not None:
        return item.cycle_line + bank.offset_line_lsb
    gain, lsb, shift = bank.level_law()
    level: FloatArray = gain * item.charge_line_coulomb / lsb + shift
    return level


def _average_code(bank: ConverterBank, level: FloatArray, *, limited: bool = True) -> FloatArray:
    adc = bank.adc
    if isinstance(adc, CcoAdc):
        level = np.sign(level) * np.maximum(np.abs(level) + adc.phase_cycle - 0.5, 0.0)
    elif isinstance(adc, LinearAdc):
        level = bank.with_inl(level)
    return np.clip(level, bank.smallest_code, bank.largest_code) if limited else level
