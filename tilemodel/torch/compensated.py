"""Conductances of a layer that take IR drop back, tile by tile. Derivation: docs/compensation.md."""

import numpy as np
import torch
from torch import Tensor

from tilemodel.compensation import compensate
from tilemodel.config.layout import cell_layout
from tilemodel.torch.geometry import Geometry

__all__ = ["compensated"]


def compensated(geometry: Geometry, weights: Tensor) -> tuple[Tensor, Tensor]:
    """What to program beyond the conductances of `weights` [K, n_row, C], as they are; and the columns' gain [K, C].

    Each column is scaled to fit the range (`tilemodel.compensate`).
    """
    close = 5 * torch.finfo(weights.dtype).eps
    tile, n_tile = geometry.tile, geometry.n_tile_out
    padded = torch.nn.functional.pad(weights, (0, geometry.n_unused)).cpu().double().numpy()
    found = [
        [compensate(part, tile, parameters=geometry.parameters, scale="fit", tolerance=close) for part in parts]
        for parts in (np.split(row, n_tile, axis=1) for row in padded)
    ]
    layouts = [[cell_layout(tile, one.conductances).g_siemens for one in row] for row in found]
    g = np.stack([np.concatenate(row, axis=-1) for row in layouts], axis=1)
    plain = geometry.conductances(weights)
    deviation = torch.from_numpy(g[..., : plain.shape[-1]]).to(plain) - plain
    gain = 1.0 / np.stack([np.concatenate([one.scale for one in row]) for row in found])
    return deviation, torch.from_numpy(gain[:, : geometry.n_out]).to(plain)
