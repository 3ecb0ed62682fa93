"""Cheap remedies against IR drop for a network's layers, without new conductances. Measured: docs/compensation.md."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tilemodel.config.adc import IdealAdc
from tilemodel.config.errors import InputError
from tilemodel.remedies import row_and_column_gains, rows_by_magnitude
from tilemodel.torch.conversion import tile_layers
from tilemodel.torch.effective import effective_matrix
from tilemodel.torch.geometry import geometry_of
from tilemodel.torch.tile_linear import TileLinear
from tilemodel.variants import with_tables

__all__ = ["order_rows", "scale_against_ir_drop"]

FloatArray = NDArray[np.float64]


def order_rows(model: nn.Module) -> None:
    """Lay the largest rows of every tile nearest to its read-out (`tilemodel.remedies.rows_by_magnitude`).

    Tiles side by side along the outputs share their inputs and so their order, that of all their columns. Rows
    without input lie farthest. Set in `row_order` of the layers, for the weights as they are now; what was programmed
    (`TileLinear.program_exactly`) is undone.
    """
    for _, layer in tile_layers(model):
        layer.program_exactly()
        layer.row_order = None
        orders = [rows_by_magnitude(part, layer.geometry.tile) for part in layer.tile_weights().cpu().double().numpy()]
        layer.row_order = torch.from_numpy(np.stack(orders)).to(layer.weight.device)


def scale_against_ir_drop(model: nn.Module) -> None:
    """Scale inputs before the DACs and columns behind the converters by what the model says IR drop takes on average.

    Digital and without a measurement: a factor an input, the same for all tiles side by side, and one a column of
    each tile, that bring the effective matrix nearest to the wanted one (least squares), of the weights as they are
    now. Columns read at the other end have factors of their own, for which the tiles are driven a second time. Set in
    `input_gain` and `column_gain`; what was programmed is undone. Raises `InputError` for tiles that are not linear.
    """
    layers = dict(tile_layers(model))
    for name, layer in layers.items():
        if not layer.geometry.is_linear:
            raise InputError(f"scale_against_ir_drop: {name or 'the layer'}: gated tiles have no effective matrix")
    for layer in layers.values():
        layer.program_exactly()
        wanted, effective = _matrices(layer)
        ends = _columns_by_end(layer)
        rows, columns = np.ones((len(ends), *wanted.shape[:2])), np.ones((len(wanted), wanted.shape[2]))
        for end, of_end in enumerate(ends):
            for k in range(len(wanted)):
                found = row_and_column_gains(wanted[k][:, of_end], effective[k][:, of_end])
                rows[end, k], columns[k, of_end] = found
        gain = rows.reshape(len(ends), -1)[:, : layer.in_features]
        layer.input_gain = torch.from_numpy(gain.copy()).to(layer.weight)
        layer.column_gain = torch.from_numpy(columns).to(layer.weight)


def _columns_by_end(layer: TileLinear) -> list[NDArray[np.bool_]]:
    """Which columns [C] are read at each end: south and north where they alternate, else all."""
    tile = layer.geometry.tile
    north: NDArray[np.bool_] = layer.geometry.line_constants()["north"][:: tile.lines_per_column]
    return [~north, north] if tile.array.read_out_end == "alternating" else [np.ones_like(north)]


def _matrices(layer: TileLinear) -> tuple[FloatArray, FloatArray]:
    """What the tiles are to multiply by, and by the model do, without converters: weights [K, n_row, C].

    Rows in the order of the inputs.
    """
    given = layer.geometry
    ideal = with_tables(given.tile, adc=IdealAdc(kind="ideal"), mismatch=None)
    geometry = geometry_of(ideal, given.parameters, given.n_in, given.n_out)
    weights = layer.tile_weights().cpu().double()
    lines = {name: torch.from_numpy(values) for name, values in geometry.line_constants().items()}
    matrix = effective_matrix(geometry, geometry.conductances(weights), lines, None).matrix
    effective = geometry.columns(matrix) / geometry.unit_level
    scale = geometry.tiled(layer.weight.detach().cpu().double()).abs().amax(dim=1, keepdim=True)
    pair = (scale * weights, scale * effective)
    if layer.row_order is not None:
        back = layer.row_order.cpu().argsort(dim=1)[:, :, None]
        pair = (pair[0].gather(1, back.expand_as(weights)), pair[1].gather(1, back.expand_as(weights)))
    return pair[0].numpy(), pair[1].numpy()
