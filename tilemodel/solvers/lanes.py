"""Bit lines side by side in blocks, as the kernels' innermost loops take them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_lanes"]


def in_lanes(
    per_line: NDArray[np.floating[Any]], n_lane: int, dtype: type[np.floating[Any]] = np.float64
) -> NDArray[np.floating[Any]]:
    """[n, n_line] as [n_block, n, n_lane], filled up with zeros; n may be 0."""
    n, n_line = per_line.shape
    n_block = -(-n_line // n_lane)
    padded = np.zeros((n, n_block * n_lane), dtype=dtype)
    padded[:, :n_line] = per_line
    return np.ascontiguousarray(padded.reshape(n, n_block, n_lane).transpose(1, 0, 2))
