"""A gain and an offset a column, behind the converters, as a chip's owner calibrates them."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from tilemodel.config.errors import InputError
from tilemodel.torch.conversion import run_batches, tile_layers
from tilemodel.torch.tile_linear import TileLinear

__all__ = ["calibrate_columns"]


def calibrate_columns(model: nn.Module, batches: Iterable[Any]) -> None:
    """Set the layers' `column_gain` and `column_offset`: least squares between each tile's columns and what they mean.

    The layers see what the network, as it is on tiles, gives them of `batches` (as in `calibrate_ranges`). A column
    that does not vary keeps its gain. Read noise that is set is in the fit. Raises `InputError` if a layer has seen
    fewer than two vectors.
    """
    layers = dict(tile_layers(model))
    sums = {name: _Sums(layer) for name, layer in layers.items()}
    run_batches(model, layers, batches, lambda name, inputs: sums[name].add(inputs))
    poor = sorted(name for name, one in sums.items() if one.n_vec < 2)
    if poor:
        raise InputError(f"calibrate_columns: fewer than two vectors reached {', '.join(poor)}; give more batches")
    for one in sums.values():
        one.apply()


class _Sums:
    """First and second moments of a layer's wanted and real partial results, [K, C]."""

    def __init__(self, layer: TileLinear) -> None:
        self._layer = layer
        self.n_vec = 0
        self._moments: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        flat = inputs.reshape(-1, self._layer.in_features)
        wanted = self._layer.geometry.products(flat, self._layer.weight).double()
        real = self._layer.partials(flat).double()
        found = torch.stack([part.sum(dim=1) for part in (wanted, real, wanted * real, real * real)])
        self._moments = found if self._moments is None else self._moments + found
        self.n_vec += len(flat)

    def apply(self) -> None:
        assert self._moments is not None
        wanted, real, both, square = (self._moments / self.n_vec).unbind(0)
        power = square - real**2
        varies = power > 1e-12 * square
        gain = torch.where(varies, (both - wanted * real) / torch.where(varies, power, torch.ones_like(power)), 1.0)
        layer = self._layer
        layer.column_offset = (wanted - gain * real).sum(dim=0).to(layer.weight)
        before = 1.0 if layer.column_gain is None else layer.column_gain
        layer.column_gain = (gain * before).to(layer.weight)
