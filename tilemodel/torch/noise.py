"""Noise of layers on tiles, with explicit generators: conductances as programmed, and every read anew.

The laws are those of `tilemodel.noise` (docs/pcm_noise.md). Read noise is drawn by outputs, from its variance given the
pulses; it is no function of weights or inputs to a gradient.
"""

import numpy as np
import torch
from torch import Tensor

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.noise.chip import aged_conductances
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.torch.geometry import Geometry

__all__ = ["aged", "noise_law", "read_deviation", "read_table"]


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


def read_table(geometry: Geometry) -> Tensor:
    """Variance of a cell's charge per volt squared of pulses of n ticks, per power of G, [3, n_tick_max + 1].

    Raises `InputError` for codings whose passes read a cell more than once, and so with correlated noise.
    """
    drive, noise = geometry.tile.drive, noise_law(geometry)
    if geometry.rows_resist:
        raise InputError(
            f"tile {geometry.tile.name}: tilemodel.torch draws no read noise where rows resist, as columns share it; "
            "set r_row_ohm and r_driver_ohm to 0 or use tilemodel.noise"
        )
    if drive.coding != "conventional" or not geometry.is_linear:
        raise InputError(
            f"tile {geometry.tile.name}: tilemodel.torch draws read noise of linear tiles with drive.coding = "
            "'conventional'; use tilemodel.noise for others"
        )
    process = tile_process(noise)
    if process is None:
        raise InputError(f"tile {geometry.tile.name}: [noise] has neither read nor telegraph noise")
    windows = ReadWindows(process=process, t_lsb_second=drive.t_lsb_second, start_second=np.zeros(1))
    n_tick = np.arange(drive.n_tick_max + 1)
    return torch.from_numpy(windows.covariance(0, n_tick, 0, n_tick) * (n_tick * drive.t_lsb_second) ** 2)


def read_deviation(table: Tensor, powers: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    """Deviations of the levels [K, n_vec, L], drawn, of pulses `area` [n_vec, K, n_row].

    `table` is that of `read_table`, `powers` [3, K, n_row, L] what the cells add to a line's variance.
    """
    squared = table[:, area.detach().abs().long()]
    variance = torch.einsum("mvki,mkil->kvl", squared, powers[:, :, : area.shape[-1]])
    normal = torch.randn(variance.shape, generator=generator, device=variance.device, dtype=variance.dtype)
    return normal * variance.clamp(min=0.0).sqrt()
