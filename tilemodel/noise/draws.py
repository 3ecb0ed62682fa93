"""Random deviations of a read: cell by cell, or output by output where the tile is linear.

All draws come from the generator that is handed in. Between input vectors reads are independent ("per_vector");
"per_batch" takes one deviate a cell for all vectors of a batch, an approximation that other simulators make.
"""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.passes import Pass
from tilemodel.noise.cells import CellGroup
from tilemodel.noise.statistics import pass_covariance
from tilemodel.noise.timing import ReadWindows

__all__ = ["Draws", "cell_deviations", "charges_by_cells", "charges_by_outputs"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Draws = Literal["per_vector", "per_batch"]

# Rows at a time: what a chunk needs stays in the processor's cache
_CHUNK = 32


def charges_by_outputs(
    groups: list[CellGroup], windows: ReadWindows, drives: list[Pass], rng: np.random.Generator
) -> FloatArray:
    """Draw the lines' charge deviations [coulomb], [n_pass, n_vec, n_line], from their joint normal distribution.

    The same distribution as `charges_by_cells` with draws per vector, at the cost of a few matrix products.
    """
    g = [group.g_siemens for group in groups]
    covariance = pass_covariance(groups, g, [values**2 for values in g], windows, drives)
    root = _root(covariance)
    normal = rng.standard_normal(covariance.shape[:-1])
    result: FloatArray = np.einsum("vlpq,vlq->pvl", root, normal)
    return result


def charges_by_cells(
    groups: list[CellGroup],
    windows: ReadWindows,
    drives: list[Pass],
    n_line: int,
    draws: Draws,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw every cell, add up the lines' charge deviations [coulomb], [n_pass, n_vec, n_line]."""
    n_vec, n_row = drives[0].n_tick.shape
    result = np.zeros((len(drives), n_vec, n_line))
    area = np.stack([drive.tick_area for drive in drives]) * windows.t_lsb_second
    for group in groups:
        coefficient = _row_roots(windows, drives)
        for first in range(0, n_row, _CHUNK):
            rows = slice(first, first + _CHUNK)
            g, volt = group.g_siemens[rows], group.volt[rows]
            normal, buffer = np.empty((_n_normal(len(drives)), *g.shape)), np.empty(g.shape)
            for vector in range(n_vec):
                if vector == 0 or draws == "per_vector":
                    rng.standard_normal(out=normal)
                deviation = _deviation(coefficient[:, vector, rows], g, normal, buffer)
                for p in range(len(drives)):
                    deviation[p] *= volt
                    result[p, vector, group.lines] += area[p, vector, rows] @ deviation[p]
    return result


def cell_deviations(
    g_siemens: FloatArray, windows: ReadWindows, drives: list[Pass], vector: int, rng: np.random.Generator
) -> FloatArray:
    """Draw mean deviations of cells `g_siemens` [n_row, n_col] in the passes of one vector, [n_pass, n_row, n_col]."""
    coefficient = _row_roots(windows, [_one(drive, vector) for drive in drives])
    normal = rng.standard_normal((_n_normal(len(drives)), *g_siemens.shape))
    return _deviation(coefficient[:, 0], g_siemens, normal, np.empty(g_siemens.shape))


def _one(drive: Pass, vector: int) -> Pass:
    return dataclasses.replace(drive, area=drive.area[vector : vector + 1])


def _n_normal(n_pass: int) -> int:
    """One deviate a cell; of several passes, one a power of G and pass: their covariance differs from cell to cell."""
    return 1 if n_pass == 1 else 3 * n_pass


def _row_roots(windows: ReadWindows, drives: list[Pass]) -> FloatArray:
    """What `_deviation` needs of the rows' timing: variances per power of G [3, n_vec, n_row] of a single pass, else
    roots of their covariances between passes, [3, n_vec, n_row, n_pass, n_pass]."""
    n_pass = len(drives)
    if n_pass == 1:
        return windows.covariance(0, drives[0].n_tick, 0, drives[0].n_tick)
    covariance = np.zeros((3, *drives[0].n_tick.shape, n_pass, n_pass))
    for p in range(n_pass):
        for q in range(p, n_pass):
            covariance[..., p, q] = windows.covariance(p, drives[p].n_tick, q, drives[q].n_tick)
            covariance[..., q, p] = covariance[..., p, q]
    return _root(covariance)


def _deviation(coefficient: FloatArray, g: FloatArray, normal: FloatArray, buffer: FloatArray) -> FloatArray:
    """Deviations [n_pass, n_row, n_col] with the moments that `_row_roots` gave for one vector.

    Those of a single pass lie in `buffer` [n_row, n_col].
    """
    if coefficient.ndim == 2:
        c0, c1, c2 = coefficient[..., np.newaxis]
        sigma = np.multiply(c2, g, out=buffer)
        sigma += c1
        sigma *= g
        sigma += c0
        np.sqrt(sigma, out=sigma)
        sigma *= normal[0]
        single: FloatArray = sigma[np.newaxis]
        return single
    n_pass = coefficient.shape[-1]
    by_power = normal.reshape(3, n_pass, *g.shape)
    scaled = np.stack([by_power[0], np.sqrt(g) * by_power[1], g * by_power[2]])
    result: FloatArray = np.einsum("mipq,mqij->pij", coefficient, scaled)
    return result


def _root(covariance: FloatArray) -> FloatArray:
    """A matrix A with A A^T = `covariance` [..., n, n], which may be singular."""
    if covariance.shape[-1] == 1:
        return np.sqrt(np.maximum(covariance, 0.0))
    scale = np.maximum(np.trace(covariance, axis1=-2, axis2=-1), np.finfo(float).tiny)[..., np.newaxis, np.newaxis]
    values, vectors = np.linalg.eigh(covariance / scale)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0) * scale[..., 0])[..., np.newaxis, :]
    return root
