"""What the steps on conductances share: numpy arrays, torch tensors and other array-API arrays alike."""

from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device

__all__ = ["Array", "namespace", "normals", "uniforms"]

Array: TypeAlias = Any
"""An array of a library that follows the array API: numpy, torch, cupy, jax, array-api-strict."""


def namespace(array: Array) -> Any:
    """The functions of the library that `array` belongs to."""
    return array_namespace(array)


def normals(rng: np.random.Generator, like: Array) -> Array:
    """Standard normal deviates, drawn by numpy, as an array like `like` (library, type, device)."""
    return _as(rng.standard_normal(tuple(like.shape)), like)


def uniforms(rng: np.random.Generator, like: Array) -> Array:
    """Deviates uniform on [0, 1), drawn by numpy, as an array like `like`."""
    return _as(rng.random(tuple(like.shape)), like)


def _as(values: np.ndarray, like: Array) -> Array:
    return namespace(like).asarray(values, dtype=like.dtype, device=device(like))
