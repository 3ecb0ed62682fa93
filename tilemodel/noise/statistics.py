"""Mean and variance of the outputs of a linear tile, in closed form. Derivation: docs/pcm_noise.md.

A read deviates by the cells' means over their rows' pulses; passes of one input share the slow part of the noise,
so that their covariances count. What a chip's programming and age have done is the same in all passes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.noise.cells import CellGroup, cell_groups, negative_rows, rows_resist
from tilemodel.noise.chip import conductance_moments
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows

__all__ = ["OutputStatistics", "chip_statistics", "pass_covariance", "per_column", "read_statistics"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class OutputStatistics:
    """Of the outputs' charges; columns are independent of each other, given the inputs."""

    mean_coulomb: FloatArray
    """[n_vec, n_col]"""
    read_variance: FloatArray
    """From read to read [coulomb^2], [n_vec, n_col]."""
    chip_variance: FloatArray
    """From chip to chip [coulomb^2], [n_vec, n_col]; 0 where the chip is given."""

    @property
    def sigma_coulomb(self) -> FloatArray:
        """Standard deviation of all together, [n_vec, n_col]."""
        total: FloatArray = np.sqrt(self.read_variance + self.chip_variance)
        return total


def read_statistics(model: TileModel, noise: NoiseConfig, ticks: IntArray) -> OutputStatistics:
    """Statistics over reads of the chip that `model` is programmed as, for `ticks` [n_vec, n_row].

    Raises `InputError` for a tile that is not linear, and where rows resist.
    """
    _refuse_rows(model)
    mean = model.mvm(ticks).charge_coulomb
    square = [group.g_siemens**2 for group in cell_groups(model)]
    variance = _read_variance(model, noise, ticks, [group.g_siemens for group in cell_groups(model)], square)
    return OutputStatistics(mean_coulomb=mean, read_variance=variance, chip_variance=np.zeros_like(mean))


def chip_statistics(model: TileModel, noise: NoiseConfig, ticks: IntArray) -> OutputStatistics:
    """Statistics over chips and reads where `model` is programmed with the targets.

    The effective matrix is taken at the mean conductances. Raises as `read_statistics`.
    """
    _refuse_rows(model)
    moments = [conductance_moments(noise, values) for values in model.conductances.arrays().values()]
    names = list(model.conductances.arrays())
    aged = model.programmed_with(Conductances(**{n: m.mean for n, m in zip(names, moments, strict=True)}))
    squares = [m.mean**2 + m.variance for m in moments]
    groups, drives = cell_groups(aged), tile_passes(model.tile, ticks)
    area = _total_area(drives)
    variance = np.zeros((len(ticks), model.tile.array.n_col * model.tile.lines_per_column))
    polarity = 0.0 if noise.spread is None else noise.spread.polarity_sigma
    for index, (group, m, square) in enumerate(zip(groups, moments, squares, strict=True)):
        at = area * model.tile.drive.t_lsb_second
        variance[:, group.lines] += at**2 @ (group.volt**2 * m.variance)
        if polarity > 0:
            negative = [negative_rows(model.tile, model.conductances, index, drive.height) for drive in drives]
            seen = _total_area(drives, negative) * model.tile.drive.t_lsb_second
            variance[:, group.lines] += seen**2 @ (group.volt**2 * square) * polarity**2
    return OutputStatistics(
        mean_coulomb=aged.mvm(ticks).charge_coulomb,
        read_variance=_read_variance(aged, noise, ticks, [m.mean for m in moments], squares),
        chip_variance=per_column(model.tile, variance),
    )


def pass_covariance(
    groups: list[CellGroup],
    first_moments: list[FloatArray],
    second_moments: list[FloatArray],
    windows: ReadWindows,
    drives: list[Pass],
) -> FloatArray:
    """Covariance of the lines' charges between the passes [coulomb^2], [n_vec, n_line, n_pass, n_pass].

    `first_moments`, `second_moments` [n_row, n_col] of each group's conductances: themselves and their squares, or
    their means over chips.
    """
    n_pass, n_vec = len(drives), len(drives[0].n_tick)
    n_line = sum(group.volt.shape[1] for group in {group.lines.start or 0: group for group in groups}.values())
    result = np.zeros((n_vec, n_line, n_pass, n_pass))
    for group, g, square in zip(groups, first_moments, second_moments, strict=True):
        powers = [group.volt**2, group.volt**2 * g, group.volt**2 * square]
        for p, first in enumerate(drives):
            for q, second in list(enumerate(drives))[p:]:
                coefficient = windows.covariance(p, first.n_tick, q, second.n_tick)
                area = first.tick_area * second.tick_area * windows.t_lsb_second**2
                part = sum((area * c) @ power for c, power in zip(coefficient, powers, strict=True))
                result[:, group.lines, p, q] += part
                if p != q:
                    result[:, group.lines, q, p] += part
    return result


def per_column(tile: TileConfig, variance_line: FloatArray) -> FloatArray:
    """Variances of the columns from those of their independent lines, [n_vec, n_line] to [n_vec, n_col]."""
    n_vec = len(variance_line)
    total: FloatArray = variance_line.reshape(n_vec, tile.array.n_col, tile.lines_per_column).sum(axis=2)
    return total


def _refuse_rows(model: TileModel) -> None:
    if rows_resist(model.tile):
        raise InputError(
            f"tile {model.tile.name}: its rows resist, so that columns act on each other; use crosstalk."
            "read_covariance (small tiles) or Monte Carlo draws"
        )


def _read_variance(
    model: TileModel, noise: NoiseConfig, ticks: IntArray, first: list[FloatArray], second: list[FloatArray]
) -> FloatArray:
    process, drives = tile_process(noise), tile_passes(model.tile, ticks)
    if process is None:
        return np.zeros((len(ticks), model.tile.array.n_col))
    windows = ReadWindows.of_passes(model.tile, noise, process, drives)
    covariance = pass_covariance(cell_groups(model), first, second, windows, drives)
    factor = np.array([float(drive.factor) for drive in drives])
    return per_column(model.tile, np.einsum("vlpq,p,q->vl", covariance, factor, factor))


def _total_area(drives: list[Pass], where: list[NDArray[np.bool_]] | None = None) -> FloatArray:
    """Areas of all passes with their factors [ticks], [n_vec, n_row]; of each pass, only what its `where` says."""
    areas = [drive.factor * drive.tick_area for drive in drives]
    if where is not None:
        areas = [np.where(mask, area, 0.0) for area, mask in zip(areas, where, strict=True)]
    total: FloatArray = np.sum(areas, axis=0)
    return total
