"""Noise of layers on tiles, with explicit generators: conductances as programmed, and every read anew.

The laws are those of `tilemodel.noise` (docs/pcm_noise.md). Read noise is drawn by outputs, from its variance given the
pulses; it is no function of weights or inputs to a gradient.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.noise.chip import aged_conductances
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.torch.geometry import Geometry

__all__ = ["ReadLaw", "aged", "cell_terms", "noise_law", "read_deviation", "read_law"]

FloatArray = NDArray[np.float64]

# By how much the terms' sum may miss a variance, of it
_CLOSE = 1e-3


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


class ReadLaw(NamedTuple):
    """Variance of a cell's charge, a sum of `rank` terms: of its ticks times of its conductance."""

    by_ticks: Tensor
    """[rank, n_tick_max + 1]"""
    by_g: Tensor
    """Polynomials of G [siemens] over the largest, [rank, 3]; times (g_max_siemens * t_lsb_second * volt)^2."""


def read_law(geometry: Geometry) -> ReadLaw:
    """The law of single windows, in as few terms as come within 1e-3 of every variance (5e-4 of sigma).

    Raises `InputError` for codings whose passes read a cell more than once, and so with correlated noise.
    """
    drive, noise = geometry.tile.drive, noise_law(geometry)
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
    g_max = geometry.tile.conductance.g_max_siemens
    relative = np.array([g_max**m for m in range(3)])[:, np.newaxis] / g_max**2
    by_ticks, by_g = _terms(windows.covariance(0, n_tick, 0, n_tick) * relative * n_tick**2)
    return ReadLaw(torch.from_numpy(by_ticks), torch.from_numpy(by_g))


def _terms(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`table` [3, n] as a product by_g.T @ by_ticks, by singular values of its columns, each of length 1."""
    length = np.linalg.norm(table, axis=0)
    length = np.where(length > 0, length, 1.0)
    by_g, singular, by_ticks = np.linalg.svd(table / length, full_matrices=False)
    at_g = np.linspace(0.0, 1.0, 9)[:, np.newaxis] ** np.arange(3)
    exact, rank = at_g @ table, 1
    while rank < 3 and np.any(np.abs(_sum_of(by_g, singular, by_ticks, length, at_g, rank) - exact) > _CLOSE * exact):
        rank += 1
    return by_ticks[:rank] * singular[:rank, np.newaxis] * length, by_g[:, :rank].T.copy()


def _sum_of(
    by_g: FloatArray, singular: FloatArray, by_ticks: FloatArray, length: FloatArray, at_g: FloatArray, rank: int
) -> FloatArray:
    result: FloatArray = at_g @ (by_g[:, :rank] * singular[:rank]) @ by_ticks[:rank] * length
    return result


def cell_terms(by_g: Tensor, cells: Tensor, relative: float, weight: Tensor) -> Tensor:
    """What cells add to their lines' variance by term, [rank, K, n_row, L].

    `cells` [n_rail, K, n_row, L] are multiplied by `relative` (`ReadLaw.by_g`); `weight` [n_rail, K, n_row, L] says how
    much a cell's variance counts.
    """
    terms = torch.zeros(len(by_g), *cells.shape[1:], dtype=cells.dtype, device=cells.device)
    for g, each in zip(cells * relative, weight, strict=True):
        for term, (constant, slope, square) in zip(terms, by_g.tolist(), strict=True):
            term += each * (constant + g * (slope + g * square))
    return terms


def read_deviation(by_ticks: Tensor, terms: Tensor, area: Tensor, generator: torch.Generator) -> Tensor:
    """Deviations of the levels [K, n_vec, L], drawn, of pulses `area` [n_vec, K, n_row].

    `by_ticks` is that of `read_law`, `terms` those of `cell_terms`.
    """
    n_tick = area.detach().abs().to(torch.int32).transpose(0, 1)
    flat, used = n_tick.reshape(-1), n_tick.shape[-1]
    variance = terms.new_zeros(())
    for of_ticks, term in zip(by_ticks, terms[:, :, :used], strict=True):
        variance = torch.baddbmm(variance, of_ticks.index_select(0, flat).view(n_tick.shape), term)
    normal = torch.randn(variance.shape, generator=generator, device=variance.device, dtype=variance.dtype)
    return normal.mul_(variance.clamp_(min=0.0).sqrt_())
