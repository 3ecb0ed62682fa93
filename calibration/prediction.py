"""What the fast model predicts for measured data: charges, or the average code of each charge."""

import numpy as np
from numpy.typing import NDArray

from calibration.measured import MeasuredData
from tilemodel.adc import ConverterBank
from tilemodel.config.adc import CcoAdc, IdealAdc, LinearAdc
from tilemodel.config.operands import combine_lines
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import PassOutput, converter_bank
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters

__all__ = ["Prediction", "coulomb_per_unit", "predicted"]

FloatArray = NDArray[np.float64]

# Points of which charges are kept: the one about which differences are taken, and the last
_KEPT = 2


class Prediction:
    """What the model says of `data` at any tile and parameters; charges are kept while the converter alone changes."""

    def __init__(self, data: MeasuredData) -> None:
        self._data = data
        self._kept: list[tuple[TileConfig, AnyParameters, list[PassOutput]]] = []

    def values(self, tile: TileConfig, parameters: AnyParameters) -> FloatArray:
        """The model's values, in the shape of the data's.

        A code's prediction is the average over all charges about the model's, so that it varies smoothly and the
        residuals are the converter's rounding: within half a step.
        """
        passes = self._passes(tile, parameters)
        if self._data.quantity in ("charge_line_coulomb", "charge_coulomb"):
            total = _sum([item.drive.factor * item.charge_line_coulomb for item in passes])
            return total if self._data.quantity == "charge_line_coulomb" else combine_lines(tile, total)
        bank = converter_bank(tile)
        total = _sum([item.drive.factor * _average_code(bank, _level(bank, item)) for item in passes])
        return total if self._data.quantity == "code_line" else combine_lines(tile, total)

    def saturates(self, tile: TileConfig, parameters: AnyParameters) -> NDArray[np.bool_]:
        """Which codes of the data hold a conversion within a step of its converter's end."""
        bank = converter_bank(tile)
        ends: list[NDArray[np.bool_]] = []
        for item in self._passes(tile, parameters):
            average = _average_code(bank, _level(bank, item), limited=False)
            lowest = bank.smallest_code + 1 if bank.signed else 0
            ends.append((average > bank.largest_code - 1) | (average < lowest))
        line = np.asarray(np.logical_or.reduce(ends))
        if self._data.quantity == "code_line":
            return line
        by_column = line.reshape(len(line), tile.array.n_col, tile.lines_per_column)
        return np.asarray(np.logical_or.reduce(by_column, axis=2))

    def _passes(self, tile: TileConfig, parameters: AnyParameters) -> list[PassOutput]:
        bent = isinstance(tile.adc, CcoAdc) and tile.adc.i_half_ampere is not None  # its cycles need the currents
        analog = tile if bent else tile.model_copy(update={"adc": IdealAdc(kind="ideal")})
        for kept in self._kept:
            if kept[1] == parameters and kept[0] == analog:
                return kept[2]
        passes = TileModel(analog, self._data.conductances, parameters).passes(self._data.ticks)
        self._kept = [(analog, parameters, passes), *self._kept[: _KEPT - 1]]
        return passes


def predicted(tile: TileConfig, parameters: AnyParameters, data: MeasuredData) -> FloatArray:
    """The model's values for `data`, in the shape of `data.values`; see `Prediction.values`."""
    return Prediction(data).values(tile, parameters)


def coulomb_per_unit(tile: TileConfig, data: MeasuredData) -> float:
    """Charge of one unit of the data: 1, or that of one code step [coulomb]."""
    return converter_bank(tile).lsb_coulomb if data.unit == "LSB" else 1.0


def _sum(parts: list[FloatArray]) -> FloatArray:
    total: FloatArray = np.sum(parts, axis=0)
    return total


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
