"""The effective matrix of a layer's linear tiles as a differentiable function of their conductances."""

from typing import NamedTuple

import torch
from torch import Tensor

from tilemodel.parameters import DrivenParameters
from tilemodel.torch.geometry import Geometry
from tilemodel.torch.ladder import transfer_to_clamp
from tilemodel.torch.mesh import meshed_currents
from tilemodel.torch.read_noise import cell_terms

__all__ = ["Effective", "effective_matrix", "transfer_of_cells"]


class Effective(NamedTuple):
    """What a layer's tiles multiply by; K tiles, L lines."""

    matrix: Tensor
    """Level of a tick on a row, [K, n_row, L]."""
    rest: Tensor
    """Level a second of what the clamps' offsets drive, [K, L]."""
    noise: Tensor
    """What cells add to the variance of their line's level, `tilemodel.torch.read_noise.cell_terms`; or empty."""


def transfer_of_cells(geometry: Geometry, g: Tensor, north: Tensor) -> Tensor:
    """Share of each cell's current that reaches the clamp, [K, n_row, L], all cells `g` [n_rail, K, n_row, L] on."""
    total = g.sum(dim=0)
    ends = geometry.tile.array.read_out_end
    r, r_end = geometry.parameters.r_bit_line_ohm, geometry.r_end_ohm
    if ends == "south":
        return transfer_to_clamp(total, r, r_end)
    if ends == "north":
        return transfer_to_clamp(total.flip(-2), r, r_end).flip(-2)
    transfer = transfer_to_clamp(torch.where(north, total.flip(-2), total), r, r_end)
    return torch.where(north, transfer.flip(-2), transfer)


def effective_matrix(geometry: Geometry, cells: Tensor, lines: dict[str, Tensor], by_g: Tensor | None) -> Effective:
    """Of conductances [n_rail, K, n_row, L]; `lines` holds `Geometry.line_constants`, `by_g` of `ReadNoise` or None."""
    parameters = geometry.parameters
    assert isinstance(parameters, DrivenParameters)
    g = cells * parameters.g_factor
    level = lines["level_per_coulomb"]
    if geometry.rows_resist:
        driven, rest = meshed_currents(geometry, g, lines["tile_north"], lines["tile_drop_volt"])
        return Effective(driven * (level * geometry.tile.drive.t_lsb_second), rest * level, level.new_empty(0))
    transfer = transfer_of_cells(geometry, g, lines["north"])
    if len(geometry.swing_volt) == 1:
        driven = g[0] * geometry.swing_volt[0]
    else:
        driven = sum(rail * volt for rail, volt in zip(g.unbind(0), geometry.swing_volt, strict=True))
    matrix = driven * transfer * (level * geometry.tile.drive.t_lsb_second)
    seen_from_clamp = (g.sum(dim=0) * transfer).sum(dim=-2)
    noise = level.new_empty(0)
    if by_g is not None:
        g_max = geometry.tile.conductance.g_max_siemens
        unit = parameters.g_factor * g_max * geometry.tile.drive.t_lsb_second
        share = (transfer.detach() * (level * unit)).square_()
        noise = cell_terms(by_g, cells.detach(), g_max, [volt**2 for volt in geometry.swing_volt], share)
    return Effective(matrix, seen_from_clamp * lines["drop_volt"] * level, noise)
