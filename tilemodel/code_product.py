"""The shortest way from ticks to codes of a linear tile: one product with a matrix that is already in LSB.

A linear tile's charge is a product with its effective matrix; a converter's level is linear in the charge. So the two
are one matrix, and a batch costs that product and the rounding. Derivation: docs/speed.md.
"""

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import CcoAdc, LinearAdc
from tilemodel.config.operands import combine_lines
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.config.tile import TileConfig
from tilemodel.linear import LinearTile

__all__ = ["CodeProduct", "is_code_product"]

IntArray = NDArray[np.int64]


def is_code_product(tile: TileConfig, bank: ConverterBank) -> bool:
    """Whether the codes of a linear `tile` follow from its charges, and these from the effective matrix alone."""
    return (
        tile.read_out.window == "settled"
        and isinstance(tile.read_out.circuit, IdealClamp | ResistiveClamp)
        and isinstance(tile.adc, LinearAdc | CcoAdc)
        and bank.input == "charge"
    )


class CodeProduct:
    """Codes of a programmed linear tile, computed in `dtype`: float32 may round a level to the other side of a step."""

    def __init__(self, tile: TileConfig, programmed: LinearTile, bank: ConverterBank, dtype: type[np.floating]) -> None:
        self._tile, self._bank = tile, bank
        gain, lsb, self._shift = bank.level_law()
        scale = gain / lsb
        self._level_per_second = scale * programmed.offset_ampere
        self._dtype = np.dtype(dtype)
        self._most = tile.drive.n_tick_max
        self._least = 0 if tile.drive.sign == "unsigned" else -self._most
        self._one_pass = tile.drive.coding in ("conventional", "amplitude") and tile.drive.sign != "two_phase"
        self._line_is_column = tile.lines_per_column == 1
        self._constants: dict[int, NDArray[np.floating]] = {}
        self._weight = np.ascontiguousarray(programmed.w_eff_coulomb_per_tick * scale, dtype=dtype)

    def takes(self, ticks: IntArray) -> bool:
        """Whether `ticks` are integers that the tile can apply: the quick way to what `check_ticks` explains."""
        shaped = ticks.ndim == 2 and ticks.shape[1] == len(self._weight) and len(ticks) > 0
        return shaped and ticks.dtype.kind in "iu" and bool(ticks.max() <= self._most and ticks.min() >= self._least)

    def __call__(self, ticks: IntArray) -> IntArray:
        """Codes [n_vec, n_col] of `ticks` [n_vec, n_row], which have been checked."""
        if self._one_pass:
            return self._combined(self._codes(ticks, self._most))
        parts = [drive.factor * self._codes(drive.area, drive.n_tick_max) for drive in tile_passes(self._tile, ticks)]
        return self._combined(sum(parts[1:], start=parts[0]))

    def _codes(self, area: IntArray, n_tick_max: int) -> IntArray:
        """Codes of the lines [n_vec, n_line] for one pass."""
        level = area.astype(self._dtype) @ self._weight
        level += self._constant(n_tick_max)
        return self._bank.codes_of_levels(level)

    def _combined(self, code_line: IntArray) -> IntArray:
        return code_line if self._line_is_column else combine_lines(self._tile, code_line)

    def _constant(self, n_tick_max: int) -> NDArray[np.floating]:
        """What the converters' shift and the clamps' offset add over the window of a pass, [n_line]."""
        if n_tick_max not in self._constants:
            window = self._tile.t_window_second(n_tick_max)
            constant = self._shift + self._level_per_second * window
            self._constants[n_tick_max] = constant.astype(self._weight.dtype)
        return self._constants[n_tick_max]
