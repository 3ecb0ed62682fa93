"""numpy: the matrix product of the tile's size."""

import numpy as np

from benchmarks.peers.common import FloatArray, Matmul

__all__ = ["NAME", "available", "matmul"]

NAME = "numpy matmul"


def available() -> str | None:
    """None: numpy is always there."""
    return None


def matmul(matrix: FloatArray, dtype: str = "float64") -> Matmul:
    """Product with `matrix` [n_row, n_line] in `dtype`, float32 or float64."""
    weights = np.ascontiguousarray(matrix, dtype=dtype)
    return Matmul(
        operand=lambda x: np.ascontiguousarray(x, dtype=dtype),
        multiply=lambda x: x @ weights,
    )
