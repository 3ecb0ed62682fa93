"""The residuals of one or several data sets in one unit: each set divided by what scatters in it.

Sets of charges and of codes, or of a chip and of a simulator, scatter differently. A set's weight is the standard
deviation that a fit leaves of it, sqrt(sum of squares / (n - sum of its leverages)), and the fit is made again until
they agree (feasible generalised least squares). One set alone is divided by its largest value, which changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from calibration.free_parameters import ParameterSpace
from calibration.information import leverage
from calibration.measured import MeasuredData
from calibration.parameter_values import Point
from calibration.prediction import Prediction
from tilemodel.config.errors import InputError

__all__ = ["Problem", "Solution"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# A set that a fit leaves nothing of, a simulation without noise, weighs at most this many times another
_MOST_WEIGHT = 1000.0


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Where a least-squares fit ended; Jacobian [n_observation, n_free] and residuals in units of the weights."""

    z: FloatArray
    jacobian: FloatArray
    residual: FloatArray

    @property
    def n_free(self) -> int:
        """Outputs beyond those that determine the parameters."""
        return self.residual.size - self.z.size

    @property
    def deviation(self) -> float:
        """Standard deviation of the residuals; never less than the rounding of the data."""
        return max(float(np.sqrt(self.residual @ self.residual / self.n_free)), float(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class _Set:
    prediction: Prediction
    values: FloatArray
    used: BoolArray
    n_saturated: int

    @property
    def size(self) -> float:
        """Largest value."""
        return float(np.abs(self.values[self.used]).max(initial=0.0)) or 1.0


@dataclass(frozen=True)
class Problem:
    """Data sets, which of their outputs count, and their weights."""

    sets: tuple[_Set, ...]
    weights: tuple[float, ...]
    """One a data set, in its unit."""

    @classmethod
    def of(cls, data: Sequence[MeasuredData], space: ParameterSpace) -> Self:
        """The data with their first weights, their largest values; `space` has a tile for each set."""
        if len(data) != 1 + len(space.others):
            raise InputError(f"fit: {len(data)} data sets and {1 + len(space.others)} tiles; give a tile for each")
        starts = space.points(space.start)
        sets = tuple(_chosen(item, point) for item, point in zip(data, starts, strict=True))
        return cls(sets, tuple(item.size for item in sets))

    @property
    def n_set(self) -> int:
        """Data sets."""
        return len(self.sets)

    @property
    def n_observation(self) -> int:
        """Outputs that count."""
        return sum(int(item.used.sum()) for item in self.sets)

    @property
    def n_saturated(self) -> tuple[int, ...]:
        """Codes of each set that do not count because a converter was at its end."""
        return tuple(item.n_saturated for item in self.sets)

    def residual(self, points: Sequence[Point]) -> FloatArray:
        """Model less data [n_observation] in units of the weights, the sets one after the other."""
        parts = [
            (item.prediction.values(*point)[item.used] - item.values[item.used]) / weight
            for item, point, weight in zip(self.sets, points, self.weights, strict=True)
        ]
        return np.concatenate(parts)

    def weighted(self, found: Solution) -> "Problem":
        """The same with the weights that the fit `found` asks for."""
        free = self._split(1 - leverage(found.jacobian))
        parts = self._split(found.residual)
        size = np.array([item.size for item in self.sets])
        scatter = [np.sqrt(part @ part / max(left.sum(), 1e-3)) for part, left in zip(parts, free, strict=True)]
        asked = np.array(scatter) * self.weights / size
        asked = np.maximum(asked, max(asked.max() / _MOST_WEIGHT, np.finfo(np.float64).eps))
        return replace(self, weights=tuple((asked * size).tolist()))

    def in_place(self, residual: FloatArray) -> tuple[FloatArray, ...]:
        """`residual` [n_observation] set by set, in the shapes and units of the data, NaN where nothing counts."""
        result = []
        for item, part, weight in zip(self.sets, self._split(residual), self.weights, strict=True):
            whole = np.full(item.values.shape, np.nan)
            whole[item.used] = part * weight
            result.append(whole)
        return tuple(result)

    def _split(self, flat: FloatArray) -> list[FloatArray]:
        ends = np.cumsum([int(item.used.sum()) for item in self.sets])
        return np.split(flat, ends[:-1])


def _chosen(data: MeasuredData, start: Point) -> _Set:
    prediction = Prediction(data)
    used = np.isfinite(data.values)
    n_saturated = 0
    if data.unit == "LSB":
        saturated = used & prediction.saturates(*start)
        used, n_saturated = used & ~saturated, int(saturated.sum())
    return _Set(prediction, data.values, used, n_saturated)
