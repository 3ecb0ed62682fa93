"""How far the deviation of each cell's conductance moves the outputs of a linear tile.

To first order, a cell that deviates by d adds to its line's charge the area of its row's pulse times d times
(swing of its rail) times (share of its current that reaches the clamp), the two latter from the effective matrix.
Left out is what the bit line's own voltage at the cell does: of second order in the IR drop (docs/pcm_noise.md); and
what the cell does to its row's voltage, where rows resist.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import GatedCell, GatedPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.operands import Conductances
from tilemodel.config.read_out import IdealClamp, MirrorReadOut, ResistiveClamp
from tilemodel.config.tile import TileConfig
from tilemodel.linear import LinearTile
from tilemodel.model import TileModel
from tilemodel.parameters import DrivenParameters

__all__ = ["CellGroup", "cell_groups", "is_linear", "negative_rows", "refuse_nonlinear", "rows_resist"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CellGroup:
    """The cells of one array of `Conductances`."""

    name: str
    g_siemens: FloatArray
    """[n_row, n_col]"""
    volt: FloatArray
    """Clamp current for a pulse of height 1, per siemens of deviation, with its sign, [n_row, n_col]."""
    lines: slice
    """The bit lines that they hang on, one a column."""
    swing: float
    """Sign of the cells' voltage for a positive pulse."""


def is_linear(model: TileModel) -> bool:
    """Whether the outputs are linear in the conductances' deviations: Ohmic cells, charges as the clamp takes them."""
    linear_read_out = isinstance(model.tile.read_out.circuit, IdealClamp | ResistiveClamp | MirrorReadOut)
    by_charge = model.tile.adc.kind != "cco" or model.tile.adc.i_half_ampere is None
    return model.solver == "linear" and linear_read_out and by_charge and model.tile.read_out.window == "settled"


def rows_resist(tile: TileConfig) -> bool:
    """Whether a cell's deviation pulls at its row's voltage, and so at other columns, which sensitivities leave out."""
    return tile.wires.r_row_ohm > 0 or tile.wires.r_driver_ohm > 0


def refuse_nonlinear(model: TileModel, what: str) -> None:
    """Raise `InputError` unless `is_linear`."""
    if not is_linear(model):
        raise InputError(
            f"{what}: tile {model.tile.name} is not linear (Ohmic driven cells, a settled window, a clamp or mirror "
            "and converters of charge are); use Monte Carlo draws"
        )


def cell_groups(model: TileModel) -> list[CellGroup]:
    """The cells of a linear tile, array by array; raises `InputError` for another tile."""
    refuse_nonlinear(model, "noise by sensitivities")
    tile, parameters = model.tile, model.parameters
    assert isinstance(parameters, DrivenParameters)
    layout, chip = cell_layout(tile, model.conductances), draw_chip(tile)
    current = LinearTile(tile, layout, chip, parameters).cell_ampere
    volt = np.divide(current, layout.g_siemens, out=np.zeros_like(current), where=layout.g_siemens > 0)
    circuit = tile.read_out.circuit
    if isinstance(circuit, MirrorReadOut):
        volt = volt * (circuit.ratio * chip.mirror_ratio_factor)
    groups = []
    for index, (name, g) in enumerate(model.conductances.arrays().items()):
        passive = tile.lines_per_column == 2
        lines = slice(index, None, 2) if passive else slice(None)
        rail = 0 if passive else index
        groups.append(
            CellGroup(name=name, g_siemens=g, volt=volt[rail, :, lines], lines=lines, swing=layout.swing_volt[rail])
        )
    return groups


def negative_rows(tile: TileConfig, conductances: Conductances, index: int, height: FloatArray) -> NDArray[np.bool_]:
    """Where the cells of the array `index` see a negative voltage, at pulses of `height` [...]."""
    if isinstance(tile.cell, GatedCell):
        return np.ones(height.shape, dtype=bool)
    if isinstance(tile.cell, GatedPairCell) or tile.lines_per_column == 2:
        return np.asarray(height < 0)
    return np.asarray(height * cell_layout(tile, conductances).swing_volt[index] < 0)
