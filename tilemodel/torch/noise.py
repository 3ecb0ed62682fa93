"""Conductances of layers as chips have them after programming and time, by the laws of `tilemodel.noise`."""

import numpy as np
import torch
from torch import Tensor

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.noise.chip import aged_conductances
from tilemodel.torch.geometry import Geometry

__all__ = ["aged", "noise_law"]


def noise_law(geometry: Geometry) -> NoiseConfig:
    """The noise of the tile, or an `InputError`."""
    if geometry.tile.noise is None:
        raise InputError(
            f'tile {geometry.tile.name} has no noise; add a table [noise] with preset = "pcm_ibm" to its file'
        )
    return geometry.tile.noise


def aged(geometry: Geometry, g: Tensor, generator: torch.Generator) -> Tensor:
    """Conductances [n_rail, K, n_row, L] of one chip programmed with `g`, every cell drawn.

    `generator` gives the seed of the numpy generator that draws them.
    """
    noise = noise_law(geometry)
    seed = torch.randint(0, 2**62, (), generator=generator, device=generator.device)
    rng = np.random.default_rng(int(seed))
    flat = g.detach().cpu().double().numpy()
    targets = flat.reshape(len(flat), -1)
    drawn = aged_conductances(noise, Conductances(g_plus=targets, g_minus=np.zeros_like(targets)), rng)
    return torch.from_numpy(drawn.g_plus.reshape(flat.shape)).to(g)
