"""Passes: what the rows are driven with, from the ticks of a batch. One conversion a pass, combined digitally."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.tile import TileConfig

__all__ = ["Pass", "RowPulses", "tile_passes"]


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

    n_tick: NDArray[np.int64]
    """Length of the pulses [ticks], [n_vec, n_row]."""
    height: NDArray[np.float64]
    """Height of the pulses as a signed fraction of the read voltage, [n_vec, n_row]; 0 where there is no pulse."""
    factor: int
    """With which the pass enters the result."""
    n_tick_max: int
    """Longest pulse that the window of this pass has room for [ticks]."""

    @property
    def tick_area(self) -> NDArray[np.float64]:
        """Integral of the pulses in ticks times read voltage, [n_vec, n_row]."""
        area: NDArray[np.float64] = self.n_tick * self.height
        return area

    def pulses(self, vector: int) -> RowPulses:
        """The drive of one vector."""
        return RowPulses(n_tick=self.n_tick[vector], height=self.height[vector], n_tick_max=self.n_tick_max)


def tile_passes(tile: TileConfig, ticks: NDArray[np.int64]) -> list[Pass]:
    """The passes that put `ticks` [n_vec, n_row] on the rows; the sum of factor * tick_area is `ticks` again."""
    if tile.drive.sign != "two_phase":
        return _coded(tile, ticks, 1)
    return [*_coded(tile, np.maximum(ticks, 0), 1), *_coded(tile, np.maximum(-ticks, 0), -1)]


def _coded(tile: TileConfig, ticks: NDArray[np.int64], factor: int) -> list[Pass]:
    drive, magnitude, sign = tile.drive, np.abs(ticks), np.sign(ticks).astype(np.float64)
    if drive.coding == "amplitude":
        n_max = drive.n_tick_max
        return [
            Pass(n_tick=np.where(ticks != 0, n_max, 0), height=ticks / n_max, factor=factor, n_tick_max=n_max),
        ]
    return [
        Pass(
            n_tick=(part := (magnitude >> shift) & (2**width - 1)),
            height=np.where(part > 0, sign, 0.0),
            factor=factor * 2**shift,
            n_tick_max=2**width - 1,
        )
        for shift, width in _bit_fields(tile)
    ]


def _bit_fields(tile: TileConfig) -> list[tuple[int, int]]:
    """Lowest bit and number of bits of the magnitude that each pass takes."""
    n_bit = tile.drive.input_bits - 1
    if tile.drive.coding == "bit_wise":
        return [(bit, 1) for bit in range(n_bit)]
    if tile.drive.coding == "split":
        low = tile.drive.split_low_bits
        assert low is not None  # the configuration's validator
        return [(0, low), (low, n_bit - low)]
    return [(0, n_bit)]
