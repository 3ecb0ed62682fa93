"""Errors by the row that they come from: regression of a batch's errors on what blocks of rows add to the ideal MAC.

An output is a sum over all rows, so that its error belongs to none of them. But if what a row adds is wrong by a share
eps of it, the error of vector v and column c is o_c + sum_b eps_b Q_b[v, c], with Q_b what the rows of block b add to
the ideal MAC and o_c an offset of the column; eps and o are found by least squares over all outputs.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig
from tilemodel.model import ideal_coulomb_per_tick

__all__ = ["RowErrors", "row_errors"]

FloatArray = NDArray[np.float64]

_MOST_BLOCKS = 8
# Outputs a block that make its standard error mean something
_OUTPUTS_A_BLOCK = 4


@dataclass(frozen=True, kw_only=True)
class RowErrors:
    """Share by which what each block of rows adds is wrong, in %."""

    first_row: tuple[int, ...]
    last_row: tuple[int, ...]
    percent: tuple[float, ...]
    standard_error_percent: tuple[float, ...]
    """From what the blocks together leave unexplained."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def row_errors(
    tile: TileConfig, conductances: Conductances, ticks: NDArray[np.int64], error_coulomb: FloatArray
) -> RowErrors | None:
    """The shares of `error_coulomb` [n_vec, n_col] by blocks of rows of nearly equal size, row 0 first.

    None where there are too few outputs for two blocks, or a block adds nothing that the others do not.
    """
    n_row, n_free = tile.array.n_row, error_coulomb.size - error_coulomb.shape[1]  # an offset a column
    n_block = min(_MOST_BLOCKS, n_row, n_free // _OUTPUTS_A_BLOCK)
    if n_block < 2:
        return None
    blocks = np.array_split(np.arange(n_row), n_block)
    per_tick = ideal_coulomb_per_tick(tile, conductances)
    parts = np.stack([_centred(ticks[:, rows].astype(np.float64) @ per_tick[rows]) for rows in blocks], axis=1)
    scale = np.abs(parts).max(initial=0.0) or 1.0
    parts, error = parts / scale, _centred(error_coulomb) / scale
    share, _, rank, _ = np.linalg.lstsq(parts, error)
    if rank < n_block:
        return None
    left = error - parts @ share
    spread = np.sqrt(float(left @ left) / (n_free - n_block) * np.diag(np.linalg.inv(parts.T @ parts)))
    return RowErrors(
        first_row=tuple(int(rows[0]) for rows in blocks),
        last_row=tuple(int(rows[-1]) for rows in blocks),
        percent=tuple((100 * share).tolist()),
        standard_error_percent=tuple((100 * spread).tolist()),
    )


def _centred(per_output: FloatArray) -> FloatArray:
    """[n_vec, n_col] less the mean of each column, flat: what is left beside an offset of each column."""
    flat: FloatArray = (per_output - per_output.mean(axis=0)).ravel()
    return flat
