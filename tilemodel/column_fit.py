"""Gain and offset of each column: what a digital correction behind the converters can take back."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["left_after_fit"]

FloatArray = NDArray[np.float64]


def left_after_fit(values: FloatArray, target: FloatArray) -> FloatArray:
    """What gain and offset of each column, by least squares on `target`, leave of `values`, both [n_vec, n_col]."""
    centred, deviation = target - target.mean(axis=0), values - values.mean(axis=0)
    power = (centred**2).sum(axis=0)
    gain = np.divide((centred * deviation).sum(axis=0), power, out=np.zeros_like(power), where=power > 0)
    left: FloatArray = deviation - gain * centred
    return left
