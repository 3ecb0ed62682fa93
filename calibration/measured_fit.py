"""Fit free parameters to measured data: bounded least squares, intervals by Student's t and by resampling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import least_squares

from calibration.free_parameters import ParameterSpace
from calibration.measured import MeasuredData
from calibration.prediction import predicted, saturates
from calibration.resampling import resampled_interval
from calibration.separation import separating_experiment
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["CONFIDENCE", "MeasuredFit", "fit_measured"]

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of every interval."""
# Step of the differences, in units of each parameter's typical size
_STEP = 1e-4
# Directions in which the data change less than this, relative to the strongest, cannot be told from rounding
_SINGULAR = 1e-7
# Nearer to its bound than this share of its standard error, a parameter is held by the bound, not by the data
_AT_BOUND = 0.01
# From here on a pair's correlation means that the data hardly tell it apart
_HARDLY = 0.995


@dataclass(frozen=True, kw_only=True)
class MeasuredFit:
    """The outcome. Arrays [n_fitted] in each parameter's unit; NaN for a parameter at its bound."""

    tile: TileConfig
    parameters: AnyParameters
    names: tuple[str, ...]
    values: FloatArray
    standard_error: FloatArray
    correlation: FloatArray
    """[n_fitted, n_fitted]"""
    interval: FloatArray
    """[2, n_fitted]: ends of the 95 % interval by Student's t."""
    resampled: FloatArray
    """[2, n_fitted]: the same by resampling the outputs."""
    at_bound: tuple[str, ...]
    hardly_separated: tuple[tuple[str, str, float], ...]
    """Pairs with their correlation."""
    residual: FloatArray
    """Model less data, in the shape of the data; NaN where nothing was measured or a code is saturated."""
    n_saturated: int
    """Codes left out because a converter was at its end."""


def fit_measured(data: MeasuredData, space: ParameterSpace, *, n_resample: int = 1000, seed: int = 0) -> MeasuredFit:
    """Fit `space` to `data`; every output weighs the same.

    A parameter that ends at a bound is held there, and the others are fitted and judged with it held; its error is
    not known. Raises `InputError` if there are too few outputs, the fit does not converge, or the data do not
    determine the parameters: the message names them and the experiment that would.
    """
    used = np.isfinite(data.values)
    saturated = np.zeros_like(used)
    if data.quantity == "code":
        saturated = used & saturates(*space.at(space.start), data)
        used &= ~saturated
    held: dict[str, float] = {}
    inner = space
    while True:
        z, jacobian, left = _least_squares(data, inner, used)
        covariance = _unit_covariance(jacobian, inner.names)
        n_free = left.size - z.size
        deviation = max(float(np.sqrt(left @ left / n_free)), np.finfo(np.float64).eps * float(_size(data, used)))
        error = deviation * np.sqrt(np.diag(covariance))
        at_bound = _bounds_reached(inner, z, error)
        if not at_bound:
            break
        held |= at_bound
        if len(held) == len(space.names):
            raise InputError(
                f"fit: every parameter ended at its bound ({', '.join(held)}); widen the bounds or check the data"
            )
        inner = space.without(held)
    tile, parameters = inner.at(z)
    residual = np.full(data.values.shape, np.nan)
    residual[used] = left
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, n_free) * error
    rng = np.random.default_rng(seed)
    resampled = z + resampled_interval(jacobian, left, covariance, CONFIDENCE, n_resample, rng)
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    outcome = _Outcome(space.names, inner.names)
    return MeasuredFit(
        tile=tile,
        parameters=parameters,
        names=space.names,
        values=outcome.vector(z * inner.scale, held),
        standard_error=outcome.vector(error * inner.scale),
        correlation=outcome.matrix(correlation),
        interval=np.stack([outcome.vector((z + side * reach) * inner.scale) for side in (-1, 1)]),
        resampled=np.stack([outcome.vector(side * inner.scale) for side in resampled]),
        at_bound=tuple(held),
        hardly_separated=_hardly_separated(inner.names, correlation),
        residual=residual,
        n_saturated=int(saturated.sum()),
    )


@dataclass(frozen=True)
class _Outcome:
    """Puts what is known of the `inner` parameters in the places of all."""

    names: tuple[str, ...]
    inner: tuple[str, ...]

    def vector(self, values: FloatArray, held: dict[str, float] | None = None) -> FloatArray:
        known = dict(zip(self.inner, values.tolist(), strict=True)) | (held or {})
        return np.array([known.get(name, np.nan) for name in self.names])

    def matrix(self, values: FloatArray) -> FloatArray:
        places = [self.names.index(name) for name in self.inner]
        result = np.full((len(self.names), len(self.names)), np.nan)
        result[np.ix_(places, places)] = values
        return result


def _size(data: MeasuredData, used: NDArray[np.bool_]) -> float:
    return float(np.abs(data.values[used]).max())


def _least_squares(
    data: MeasuredData, space: ParameterSpace, used: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Point, Jacobian [n_observation, n_free] and residuals [n_observation], the latter two in the data's unit."""
    measured = data.values[used]
    if measured.size <= len(space.names):
        raise InputError(
            f"fit: {measured.size} outputs cannot determine {len(space.names)} parameters; measure more vectors, or "
            "fix some"
        )
    size = _size(data, used) or 1.0

    def residual(z: FloatArray) -> FloatArray:
        result: FloatArray = (predicted(*space.at(z), data)[used] - measured) / size
        return result

    def jacobian(z: FloatArray) -> FloatArray:
        columns = []
        for index in range(z.size):
            above, below = z.copy(), z.copy()
            above[index] = min(z[index] + _STEP, space.high[index])
            below[index] = max(z[index] - _STEP, space.low[index])
            columns.append((residual(above) - residual(below)) / (above[index] - below[index]))
        return np.column_stack(columns)

    bounds = space.low, space.high
    result = least_squares(
        residual, space.start, jacobian, bounds=bounds, x_scale="jac", xtol=1e-9, ftol=1e-13, gtol=1e-14
    )
    matrix = np.asarray(result.jac)
    _unit_covariance(matrix, space.names)  # a singular problem is told before that it did not converge
    if not result.success or not np.isfinite(result.x).all():
        raise InputError(f"fit: did not converge ({result.message}); check the data, or bound the parameters")
    return np.asarray(result.x), matrix * size, np.asarray(result.fun) * size


def _unit_covariance(jacobian: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """(J^T J)^-1; `InputError` naming the parameters, and the experiment, where it does not exist."""
    length = np.linalg.norm(jacobian, axis=0)
    if (length == 0).any():
        name = names[int(np.argmin(length))]
        raise InputError(
            f"fit: the data do not depend on {name}; leave it out. What would show it: {separating_experiment([name])}"
        )
    _, singular, v_transposed = np.linalg.svd(jacobian / length, full_matrices=False)
    if singular[-1] < _SINGULAR * singular[0]:
        mixed = [name for name, part in zip(names, v_transposed[-1], strict=True) if abs(part) > 0.1]
        raise InputError(
            f"fit: the data cannot tell {' and '.join(mixed)} apart; fix one (--fix NAME=VALUE). What would tell them "
            f"apart: {separating_experiment(mixed)}"
        )
    root = v_transposed.T / singular / length[:, np.newaxis]
    return np.asarray(root @ root.T)


def _bounds_reached(space: ParameterSpace, z: FloatArray, error: FloatArray) -> dict[str, float]:
    """The parameters at a bound, and the bound."""
    reached = {}
    for index, name in enumerate(space.names):
        for limit in (space.low[index], space.high[index]):
            if np.isfinite(limit) and abs(z[index] - limit) <= max(_AT_BOUND * error[index], 1e-9 * abs(limit)):
                reached[name] = float(limit * space.scale[index])
    return reached


def _hardly_separated(names: tuple[str, ...], correlation: FloatArray) -> tuple[tuple[str, str, float], ...]:
    return tuple(
        (names[i], names[j], float(correlation[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if abs(correlation[i, j]) > _HARDLY
    )
