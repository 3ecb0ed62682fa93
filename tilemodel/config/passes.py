"""Passes: what the rows are driven with, from the ticks of a batch. One conversion a pass, combined digitally."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.tile import TileConfig

__all__ = ["Pass", "RowPulses", "bit_fields", "tile_passes"]


@dataclass(frozen=True, kw_only=True)
class RowPulses:
    """One pulse a row: the drive of one vector in one pass."""

    n_tick: NDArray[np.int64]
    """[n_row]"""
    height: NDArray[np.float64]
    """[n_row]"""
    n_tick_max: int


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pulse a row for every vector of a batch."""

    area: NDArray[np.int64]
    """Integral of the pulses in ticks times read voltage, with its sign, [n_vec, n_row]."""
    amplitude_coded: bool
    """Whether the pulses' heights carry `area`, all of the longest length; else their lengths do, at full height."""
    factor: int
    """With which the pass enters the result."""
    n_tick_max: int
    """Longest pulse that the window of this pass has room for [ticks]."""

    @cached_property
    def n_tick(self) -> NDArray[np.int64]:
        """Length of the pulses [ticks], [n_vec, n_row]."""
        return np.where(self.area != 0, self.n_tick_max, 0) if self.amplitude_coded else np.abs(self.area)

    @cached_property
    def height(self) -> NDArray[np.float64]:
        """Height of the pulses as a signed fraction of the read voltage, [n_vec, n_row]; 0 where there is no pulse."""
        height: NDArray[np.float64]
        height = self.area / self.n_tick_max if self.amplitude_coded else np.sign(self.area).astype(np.float64)
        return height

    @property
    def tick_area(self) -> NDArray[np.float64]:
        """`area` as floating-point numbers."""
        return self.area.astype(np.float64)

    def pulses(self, vector: int) -> RowPulses:
        """The drive of one vector."""
        return RowPulses(n_tick=self.n_tick[vector], height=self.height[vector], n_tick_max=self.n_tick_max)


def tile_passes(tile: TileConfig, ticks: NDArray[np.int64]) -> list[Pass]:
    """The passes that put `ticks` [n_vec, n_row] on the rows; the sum of factor * tick_area is `ticks` again."""
    if tile.drive.sign != "two_phase":
        return _coded(tile, ticks, 1)
    return [*_coded(tile, np.maximum(ticks, 0), 1), *_coded(tile, np.maximum(-ticks, 0), -1)]


def _coded(tile: TileConfig, ticks: NDArray[np.int64], factor: int) -> list[Pass]:
    drive = tile.drive
    if drive.coding in ("conventional", "amplitude"):
        amplitude = drive.coding == "amplitude"
        return [Pass(area=ticks, amplitude_coded=amplitude, factor=factor, n_tick_max=drive.n_tick_max)]
    magnitude, sign = np.abs(ticks), np.sign(ticks)
    return [
        Pass(
            area=((magnitude >> shift) & (2**width - 1)) * sign,
            amplitude_coded=False,
            factor=factor * 2**shift,
            n_tick_max=2**width - 1,
        )
        for shift, width in bit_fields(tile)
    ]


def bit_fields(tile: TileConfig) -> list[tuple[int, int]]:
    """Lowest bit and number of bits of the magnitude that each pass of a split or bit-wise input takes."""
    n_bit = tile.drive.input_bits - 1
    if tile.drive.coding == "bit_wise":
        return [(bit, 1) for bit in range(n_bit)]
    low = tile.drive.split_low_bits
    assert low is not None  # the configuration's validator
    return [(0, low), (low, n_bit - low)]
