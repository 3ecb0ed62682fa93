"""One chip's mismatch, drawn from the seed of the tile file: what both engines must agree on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import SwitchAccess
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.tile import TileConfig

__all__ = ["ChipDraw", "draw_chip"]

FloatArray = NDArray[np.float64]

# One stream of random numbers a quantity, so that switching one on leaves the others as they were
_CLAMP, _MIRROR, _ACCESS = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class ChipDraw:
    """Deviations of one chip from the nominal tile (the converters' are drawn by `tilemodel.adc`)."""

    clamp_offset_volt: FloatArray
    """[n_line]"""
    mirror_ratio_factor: FloatArray
    """[n_line]"""
    access_resistance_factor: FloatArray
    """[n_row, n_line]"""


def draw_chip(tile: TileConfig) -> ChipDraw:
    """The chip of `tile.mismatch`; without mismatch, the nominal one.

    Raises `InputError` for a spread of access resistances in a tile whose cells have no switch to apply it to.
    """
    shape = (tile.array.n_row, line_count(tile))
    mismatch = tile.mismatch
    if mismatch is None:
        return ChipDraw(
            clamp_offset_volt=np.zeros(shape[1]),
            mirror_ratio_factor=np.ones(shape[1]),
            access_resistance_factor=np.ones(shape),
        )
    if mismatch.access_resistance_sigma > 0 and not isinstance(getattr(tile.cell, "access", None), SwitchAccess):
        raise InputError(
            f"tile {tile.name} [mismatch]: access_resistance_sigma = {mismatch.access_resistance_sigma:g} applies to "
            "switches only; set it to 0 for this cell"
        )
    sigma = {
        _CLAMP: mismatch.clamp_offset_sigma_volt,
        _MIRROR: mismatch.mirror_ratio_sigma,
        _ACCESS: mismatch.access_resistance_sigma,
    }

    def normal(stream: int, size: int | tuple[int, int]) -> FloatArray:
        return sigma[stream] * np.random.default_rng([mismatch.seed, stream]).standard_normal(size)

    return ChipDraw(
        clamp_offset_volt=normal(_CLAMP, shape[1]),
        mirror_ratio_factor=1.0 + normal(_MIRROR, shape[1]),
        access_resistance_factor=np.maximum(1.0 + normal(_ACCESS, shape), 0.01),
    )
