"""Cheap remedies against IR drop that need no new conductances: order of rows, shorter lines, digital corrections.

Shapes: weights [n_row, n_col], inputs [n_vec, n_row], outputs [n_vec, n_col]. Measured: docs/compensation.md.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.operands import combine_lines, conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.linear import LinearTile
from tilemodel.model import TileModel, ideal_line_current_ampere

__all__ = [
    "column_gains",
    "effective_weights",
    "low_rank_correction",
    "row_and_column_gains",
    "row_gains",
    "rows_by_magnitude",
    "split_rows",
]

# Rounds of `row_and_column_gains`: networks need 4, columns that draw very unlike currents more
_N_ROUND = 10

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def effective_weights(model: TileModel) -> FloatArray:
    """What a linear tile multiplies by, in weights, [n_row, n_col]. Raises `InputError` for another tile."""
    if not isinstance(model.programmed, LinearTile):
        raise InputError(f"tile {model.tile.name}: has no effective matrix; it is not linear")
    result: FloatArray = combine_lines(model.tile, model.programmed.w_eff_ampere) / _unit_ampere(model.tile)
    return result


def rows_by_magnitude(weights: ArrayLike, tile: TileConfig) -> IntArray:
    """Order of rows, for weights[order] and inputs[:, order], with the largest weights nearest to the read-out.

    With alternating ends they go to both ends.
    """
    ascending: IntArray = np.argsort(np.abs(np.asarray(weights)).sum(axis=1), kind="stable")
    if tile.array.read_out_end == "south":
        return ascending
    if tile.array.read_out_end == "north":
        return ascending[::-1].copy()
    outside_in: IntArray = np.concatenate([ascending[1::2][::-1], ascending[0::2]])
    return outside_in


def split_rows(tile: TileConfig, n_row: int) -> TileConfig:
    """The same tile with bit lines of `n_row` cells: `TileLayer` then takes more of them and adds their codes."""
    if not 1 <= n_row <= tile.array.n_row:
        raise InputError(f"n_row: expected 1 to {tile.array.n_row}, the rows of tile {tile.name}; got {n_row}")
    return tile.model_copy(update={"array": tile.array.model_copy(update={"n_row": n_row})})


def column_gains(wanted: FloatArray, got: FloatArray) -> FloatArray:
    """Factor a column, [n_col], that brings outputs `got` nearest to `wanted` (least squares); 1 where got is 0."""
    power = (got**2).sum(axis=0)
    gains: FloatArray = np.divide((wanted * got).sum(axis=0), power, out=np.ones_like(power), where=power > 0)
    return gains


def row_gains(wanted: FloatArray, effective: FloatArray) -> FloatArray:
    """Factor a row, [n_row], that brings rows of `effective` nearest to those of `wanted`: to scale inputs with."""
    return column_gains(wanted.T, effective.T)


def row_and_column_gains(wanted: FloatArray, effective: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factors r [n_row], c [n_col] that bring r_i effective_ij c_j nearest to `wanted`, the largest r being 1.

    Least squares by turns. Along a line read at one end the drop is nearly u_i v_j (docs/compensation.md): give the
    columns of one end alone.
    """
    rows, columns = np.ones(len(wanted)), np.ones(wanted.shape[1])
    for _ in range(_N_ROUND):
        columns = column_gains(wanted, rows[:, np.newaxis] * effective)
        rows = row_gains(wanted, effective * columns)
    driven = np.any(effective, axis=1)
    largest = rows[driven].max(initial=0.0)
    if largest <= 0:
        return np.ones_like(rows), np.ones_like(columns)
    return np.where(driven, rows / largest, 1.0), columns * largest


def low_rank_correction(wanted: FloatArray, effective: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    """Factors U [n_row, rank], V [rank, n_col]: inputs U V is nearest to what IR drop takes from the outputs.

    To be added digitally, for rank (n_row + n_col) multiplications a vector; the model gives `effective`.
    """
    if not 1 <= rank <= min(wanted.shape):
        raise InputError(f"rank: expected 1 to {min(wanted.shape)}, got {rank}")
    u, singular, v = np.linalg.svd(wanted - effective, full_matrices=False)
    return u[:, :rank] * singular[:rank], v[:rank]


def _unit_ampere(tile: TileConfig) -> float:
    """Current of a weight 1 without wires."""
    shape = (tile.array.n_row, tile.array.n_col)
    ones = ideal_line_current_ampere(tile, conductances_from_weights(tile, np.ones(shape)))
    return float(combine_lines(tile, ones)[0, 0])
