"""How a tile's cells hang between rails and bit lines, one description for every engine.

A row has `n_rail` conductors ("rails"): one in passive and 1T1R tiles, two in rail pairs and 2T1R tiles, four in
the 4-PCM cell. The memory element `g_siemens[k, i, l]` joins rail k of row i to bit line l, through an access
device where the cells are gated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import GatedCell, GatedPairCell, PassiveCell, RailPairCell
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

__all__ = ["CellLayout", "cell_layout", "line_count", "lines_read_north"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CellLayout:
    """Memory elements and rails of a programmed tile."""

    g_siemens: FloatArray
    """[n_rail, n_row, n_line]"""
    rest_volt: tuple[float, ...]
    """Voltage of each rail without a pulse."""
    swing_volt: tuple[float, ...]
    """What a pulse of height 1 adds to it; 0 where word lines do the work."""
    gate_sign: tuple[int, ...]
    """Sign of the pulses that connect a rail's cells; 0: they are always connected."""
    charge_sign: int
    """+1 or -1: sign of the charge for current from the bit line into the clamp."""


def cell_layout(tile: TileConfig, conductances: Conductances) -> CellLayout:
    """Rails and memory elements of `tile` programmed with `conductances`."""
    cell = tile.cell
    if isinstance(cell, GatedCell):
        g = _interleaved(conductances)[np.newaxis]
        return CellLayout(
            g_siemens=g, rest_volt=(cell.v_source_line_volt,), swing_volt=(0.0,), gate_sign=(1,), charge_sign=-1
        )
    common, v = cell.v_common_volt, cell.v_read_volt
    if isinstance(cell, GatedPairCell):
        g = np.repeat(_interleaved(conductances)[np.newaxis], 2, axis=0)
        return CellLayout(
            g_siemens=g, rest_volt=(common + v, common - v), swing_volt=(0.0, 0.0), gate_sign=(1, -1), charge_sign=1
        )
    swing: tuple[float, ...]
    if isinstance(cell, PassiveCell):
        g, swing = _interleaved(conductances)[np.newaxis], (v,)
    elif isinstance(cell, RailPairCell):
        g, swing = np.stack([conductances.g_plus, conductances.g_minus]), (v, -v)
    else:
        g, swing = np.stack(_four(conductances)), (v, -v, v / cell.significance, -v / cell.significance)
    n_rail = len(swing)
    return CellLayout(
        g_siemens=g, rest_volt=(common,) * n_rail, swing_volt=swing, gate_sign=(0,) * n_rail, charge_sign=1
    )


def line_count(tile: TileConfig) -> int:
    """Number of bit lines of the tile."""
    return tile.array.n_col * tile.lines_per_column


def lines_read_north(tile: TileConfig) -> NDArray[np.bool_]:
    """Whether each bit line is read at its north end, [n_line]."""
    column = np.arange(line_count(tile)) // tile.lines_per_column
    end = tile.array.read_out_end
    if end == "alternating":
        odd: NDArray[np.bool_] = column % 2 == 1
        return odd
    return np.full(column.shape, end == "north")


def _interleaved(conductances: Conductances) -> FloatArray:
    """G+ on even bit lines, G- on odd ones, [n_row, n_line]."""
    n_row, n_col = conductances.g_plus.shape
    lines = np.empty((n_row, 2 * n_col))
    lines[:, 0::2] = conductances.g_plus
    lines[:, 1::2] = conductances.g_minus
    return lines


def _four(conductances: Conductances) -> list[FloatArray]:
    minor_plus, minor_minus = conductances.g_minor_plus, conductances.g_minor_minus
    assert minor_plus is not None  # checked with the tile (check_conductances)
    assert minor_minus is not None
    return [conductances.g_plus, conductances.g_minus, minor_plus, minor_minus]
