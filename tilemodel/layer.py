"""A weight matrix over as many tiles as it needs, their codes added up digitally."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel

__all__ = ["TileLayer"]

IntArray = NDArray[np.int64]


class TileLayer:
    """Weights [n_in, n_out] in [-1, 1] cut into tiles of the size of `tile`; what is left of the last ones is 0.

    `program` makes a model of a tile and its conductances: `TileModel`, or `CompactModel.tile_model` of a calibrated
    one. Raises `InputError` as they do, and for weights that are no matrix.
    """

    def __init__(
        self,
        tile: TileConfig,
        weights: ArrayLike,
        *,
        program: Callable[[TileConfig, Conductances], TileModel] = TileModel,
    ) -> None:
        matrix = np.asarray(weights)
        if matrix.ndim != 2 or not matrix.size:
            raise InputError(f"weights: expected [n_in, n_out], got {list(matrix.shape)}")
        self.n_in, self.n_out = matrix.shape
        n_row, n_col = tile.array.n_row, tile.array.n_col
        self._n_row = n_row
        self.tiles: list[list[TileModel]] = [
            [
                program(tile, conductances_from_weights(tile, _padded(matrix[i : i + n_row, j : j + n_col], tile)))
                for j in range(0, self.n_out, n_col)
            ]
            for i in range(0, self.n_in, n_row)
        ]

    def codes(self, ticks: IntArray, dtype: type[np.floating] = np.float64) -> IntArray:
        """Sums of the tiles' codes [n_vec, n_out] for `ticks` [n_vec, n_in]; raises and takes `dtype` as `TileModel`.

        Rows beyond `n_in` get no pulse.
        """
        if ticks.ndim != 2 or ticks.shape[1] != self.n_in:
            raise InputError(f"ticks: expected [n_vec, n_in] = [n_vec, {self.n_in}], got {list(ticks.shape)}")
        total: IntArray | None = None
        for k, row_of_tiles in enumerate(self.tiles):
            part = ticks[:, k * self._n_row : (k + 1) * self._n_row]
            part = np.pad(part, ((0, 0), (0, self._n_row - part.shape[1])))
            codes = np.concatenate([model.codes(part, dtype) for model in row_of_tiles], axis=1)
            total = codes if total is None else total + codes
        assert total is not None
        return total[:, : self.n_out]


def _padded(part: NDArray[np.generic], tile: TileConfig) -> NDArray[np.generic]:
    size = (tile.array.n_row, tile.array.n_col)
    return np.pad(part, [(0, whole - some) for whole, some in zip(size, part.shape, strict=True)])
