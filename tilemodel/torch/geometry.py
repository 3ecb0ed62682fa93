"""A weight matrix laid over tiles: which cells, lines and constants it meets. Lines of all tiles of a row side by side.

Shapes: K tiles along the inputs, C = n_out columns and their L lines, of all tiles along the outputs; weights of tiles
[K, n_row, C], conductances [n_rail, K, n_row, L]. Columns that no output uses are left out where rows are ideal: lines
are independent then. Where rows resist, conductances are of all lines of the tiles, the unused cells at g_min.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import IdealAdc
from tilemodel.config.layout import CellLayout, cell_layout, lines_read_north
from tilemodel.config.mismatch import ChipDraw, draw_chip
from tilemodel.config.operands import conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank
from tilemodel.coverage import refuse_outside_layers, refuse_uncovered
from tilemodel.ends import end_resistance_ohm
from tilemodel.model import ideal_coulomb_per_tick
from tilemodel.parameters import AnyParameters, DrivenParameters, GatedParameters
from tilemodel.torch.quantization import CodeLaw, code_law, line_values

__all__ = ["Geometry", "geometry_of"]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a layer's tiles have in common."""

    tile: TileConfig
    parameters: DrivenParameters | GatedParameters
    chip: ChipDraw
    law: CodeLaw | None
    n_in: int
    n_out: int
    swing_volt: tuple[float, ...]
    r_end_ohm: float
    unit_level: float
    """Level, or charge of an ideal converter, of a weight 1 during a tick."""

    @property
    def n_tile_in(self) -> int:
        """K"""
        return -(-self.n_in // self.tile.array.n_row)

    @property
    def n_tile_out(self) -> int:
        """Tiles side by side along the outputs."""
        return -(-self.n_out // self.tile.array.n_col)

    @property
    def n_unused(self) -> int:
        """Columns of the last tiles that no output uses."""
        return self.n_tile_out * self.tile.array.n_col - self.n_out

    @property
    def is_linear(self) -> bool:
        """Whether the tile has an effective matrix."""
        return isinstance(self.parameters, DrivenParameters)

    @property
    def rows_resist(self) -> bool:
        """Whether the columns of a tile act on each other through its rows."""
        driven = self.parameters
        return isinstance(driven, DrivenParameters) and (driven.r_row_ohm > 0 or self.tile.wires.r_driver_ohm > 0)

    def line_constants(self) -> dict[str, NDArray[Any]]:
        """By name: read at the north end, level a coulomb, level at no charge, volt across the cells at rest, all [L].

        And the converters' `line_values`, [L, n]. Where rows resist, also the first and the fourth of all lines of a
        tile, used or not: "tile_north", "tile_drop_volt".
        """
        tile = self.tile
        north = lines_read_north(tile)
        n_line = len(north)
        level, shift, drop, own = np.ones(n_line), np.zeros(n_line), np.zeros(n_line), np.empty((n_line, 0))
        if self.law is not None:
            bank = converter_bank(tile)
            gain, lsb, shift = bank.level_law()
            level, own = gain / lsb, line_values(bank, self.law)
        if isinstance(self.parameters, DrivenParameters):
            rest = _empty_layout(tile).rest_volt[0]
            drop = drop + rest - self.parameters.v_clamp_volt - self.chip.clamp_offset_volt
        each = {"north": north, "level_per_coulomb": level, "level_shift": shift, "drop_volt": drop, "converter": own}
        used = self.n_out * tile.lines_per_column
        found = {name: np.concatenate([values] * self.n_tile_out)[:used] for name, values in each.items()}
        return found | ({"tile_north": north, "tile_drop_volt": drop} if self.rows_resist else {})

    def tiled(self, weights: Tensor) -> Tensor:
        """Weights [n_out, n_in] as those of the tiles, [K, n_row, C], 0 in rows without input."""
        n_row = self.tile.array.n_row
        padded = torch.nn.functional.pad(weights, (0, self.n_tile_in * n_row - self.n_in))
        return padded.T.reshape(self.n_tile_in, n_row, self.n_out)

    def products(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """What each tile is to add to the outputs, [K, n_vec, n_out]; inputs [n_vec, n_in], weights [n_out, n_in]."""
        padded = torch.nn.functional.pad(inputs, (0, self.n_tile_in * self.tile.array.n_row - self.n_in))
        return torch.matmul(padded.reshape(len(inputs), self.n_tile_in, -1).transpose(0, 1), self.tiled(weights))

    def conductances(self, weights: Tensor) -> Tensor:
        """Of weights in [-1, 1] [K, n_row, C], as `conductances_from_weights` and `cell_layout`, of the rails."""
        if self.rows_resist:
            weights = torch.nn.functional.pad(weights, (0, self.n_unused))
        g_min = self.tile.conductance.g_min_siemens
        span = self.tile.conductance.g_max_siemens - g_min
        plus, minus = g_min + span * weights.clamp(min=0.0), g_min + span * (-weights).clamp(min=0.0)
        if self.tile.lines_per_column == 2:
            return torch.stack([plus, minus], dim=-1).flatten(-2).unsqueeze(0)
        pairs = [plus, minus] * (len(self.swing_volt) // 2)
        return torch.stack(pairs)

    def columns(self, per_line: Tensor) -> Tensor:
        """What the tiles put out by column: [..., L] to [..., C]."""
        if self.tile.lines_per_column == 1:
            return per_line
        return per_line[..., 0::2] - per_line[..., 1::2]


def geometry_of(tile: TileConfig, parameters: AnyParameters, n_in: int, n_out: int) -> Geometry:
    """The geometry of a layer, or an `InputError` that says what of the tile `tilemodel.torch` does not cover."""
    refuse_uncovered(tile, parameters, None)
    refuse_outside_layers(tile, parameters)
    bank = converter_bank(tile)
    law = code_law(bank)
    swing = np.array(_empty_layout(tile).swing_volt)
    if isinstance(parameters, DrivenParameters):
        swing = swing * (parameters.v_read_volt / tile.v_read_volt)
    assert isinstance(parameters, DrivenParameters | GatedParameters)  # refused above
    return Geometry(
        tile=tile,
        parameters=parameters,
        chip=draw_chip(tile),
        law=law,
        n_in=n_in,
        n_out=n_out,
        swing_volt=tuple(swing.tolist()),
        r_end_ohm=end_resistance_ohm(tile),
        unit_level=_unit_coulomb(tile) * _level_per_coulomb(bank),
    )


def _empty_layout(tile: TileConfig) -> CellLayout:
    """Rails of the tile."""
    return cell_layout(tile, conductances_from_weights(tile, np.zeros((tile.array.n_row, tile.array.n_col))))


def _unit_coulomb(tile: TileConfig) -> float:
    """Charge of a weight 1 during a tick, without wires."""
    ones = np.ones((tile.array.n_row, tile.array.n_col))
    return float(ideal_coulomb_per_tick(tile, conductances_from_weights(tile, ones))[0, 0])


def _level_per_coulomb(bank: ConverterBank) -> float:
    """Of a converter without mismatch."""
    if isinstance(bank.adc, IdealAdc):
        return 1.0
    return float(getattr(bank.adc, "gain", 1.0)) / bank.lsb_coulomb
