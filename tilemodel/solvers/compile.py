"""numba's compiler as all kernels use it: results kept on disk, one parallel loop at a time."""

import threading
from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["KERNEL_LOCK", "compiled"]

KERNEL_LOCK = threading.Lock()
"""To hold while a parallel kernel runs: one of numba's threading layers aborts the process if two enter at once."""


def compiled(**options: Any) -> Callable[[Any], Any]:
    """numba's compiler, keeping its result on disk where there is a place to write it."""

    def compile_function(function: Any) -> Any:
        try:
            return njit(cache=True, error_model="numpy", **options)(function)
        except RuntimeError:  # no writable cache folder
            return njit(error_model="numpy", **options)(function)

    return compile_function
