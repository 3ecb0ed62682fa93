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
            return _forgiving(njit(cache=True, error_model="numpy", **options)(function))
        except RuntimeError:  # no writable cache folder
            return njit(error_model="numpy", **options)(function)

    return compile_function


def _forgiving(dispatcher: Any) -> Any:
    """`dispatcher`, which compiles anew where what an older version kept names types that are no longer there."""
    cache = dispatcher._cache
    load = cache.load_overload

    def load_or_forget(signature: Any, target_context: Any) -> Any:
        try:
            return load(signature, target_context)
        except (AttributeError, ImportError):  # numba unpickles an index before it looks whose it is
            cache.flush()
            return None

    cache.load_overload = load_or_forget
    return dispatcher
