"""Fit free parameters to measured data: bounded least squares, intervals by Student's t and by resampling."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import least_squares

from calibration.free_parameters import ParameterSpace
from calibration.information import hardly_separated, information
from calibration.measured import MeasuredData
from calibration.names import shortened
from calibration.resampling import resampled_interval
from calibration.separation import separating_experiment
from calibration.weighting import Problem, Solution
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["CONFIDENCE", "MeasuredFit", "fit_measured", "solve"]

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of every interval."""
# Step of the differences, in units of each parameter's typical size
_STEP = 1e-4
# Directions in which the data change less than this, relative to the strongest, cannot be told from rounding
_SINGULAR = 1e-7
# Nearer to its bound than this share of its standard error, a parameter is held by the bound, not by the data
_AT_BOUND = 0.01
# More would not fit into a model file, which holds all correlations
_MOST_FREE = 400
# Solutions with new weights: they change little after the second
_MOST_WEIGHTINGS = 8
_WEIGHTS_SETTLED = 0.01


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
    residuals: tuple[FloatArray, ...]
    """One a data set: model less data, in the shape of the data; NaN where nothing was measured or a code is
    saturated."""
    problem: Problem
    """What was solved: which outputs counted, and the weights of the data sets."""


def fit_measured(
    data: MeasuredData | Sequence[MeasuredData], space: ParameterSpace, *, n_resample: int = 1000, seed: int = 0
) -> MeasuredFit:
    """Fit `space` to `data`: every output of a data set weighs the same, every set by the scatter that is left of it.

    A parameter that ends at a bound is held there, and the others are fitted and judged with it held; its error is
    not known. Raises `InputError` if there are too few outputs, the fit does not converge, or the data do not
    determine the parameters: the message names them and the experiment that would.
    """
    if len(space.names) > _MOST_FREE:
        raise InputError(f"fit: {len(space.names)} parameters are too many; fit at most {_MOST_FREE} at a time")
    problem = Problem.of([data] if isinstance(data, MeasuredData) else data, space)
    held: dict[str, float] = {}
    inner = space
    while True:
        problem, found = _weighted(problem, inner)
        covariance = _unit_covariance(found.jacobian, inner.names)
        error = found.deviation * np.sqrt(np.diag(covariance))
        at_bound = _bounds_reached(inner, found.z, error)
        if not at_bound:
            break
        held |= at_bound
        if len(held) == len(space.names):
            raise InputError(
                f"fit: every parameter ended at its bound ({', '.join(held)}); widen the bounds or check the data"
            )
        inner = space.without(held)
    tile, parameters = inner.at(found.z)
    reach = stats.t.ppf(0.5 + CONFIDENCE / 2, found.n_free) * error
    rng = np.random.default_rng(seed)
    resampled = found.z + resampled_interval(found.jacobian, found.residual, covariance, CONFIDENCE, n_resample, rng)
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    outcome = _Outcome(space.names, inner.names)
    return MeasuredFit(
        tile=tile,
        parameters=parameters,
        names=space.names,
        values=outcome.vector(found.z * inner.scale, held),
        standard_error=outcome.vector(error * inner.scale),
        correlation=outcome.matrix(correlation),
        interval=np.stack([outcome.vector((found.z + side * reach) * inner.scale) for side in (-1, 1)]),
        resampled=np.stack([outcome.vector(side * inner.scale) for side in resampled]),
        at_bound=tuple(held),
        hardly_separated=hardly_separated(inner.names, correlation),
        residuals=problem.in_place(found.residual),
        problem=problem,
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


def _weighted(problem: Problem, space: ParameterSpace) -> tuple[Problem, Solution]:
    """The fit with weights that agree with the scatter that it leaves in each data set."""
    found = solve(problem, space)
    for _ in range(_MOST_WEIGHTINGS if problem.n_set > 1 else 0):
        again = problem.weighted(found)
        change = max(abs(new / old - 1) for new, old in zip(again.weights, problem.weights, strict=True))
        problem, found = again, solve(again, space, found.z)
        if change < _WEIGHTS_SETTLED:
            break
    return problem, found


def solve(problem: Problem, space: ParameterSpace, start: FloatArray | None = None) -> Solution:
    """The least-squares solution from `start` (default: the space's) on; errors as `fit_measured`."""
    if problem.n_observation <= len(space.names):
        raise InputError(
            f"fit: {problem.n_observation} outputs cannot determine {len(space.names)} parameters; measure more "
            "vectors, or fix some"
        )

    def residual(z: FloatArray) -> FloatArray:
        return problem.residual(space.points(z))

    def jacobian(z: FloatArray) -> FloatArray:
        columns = []
        for index in range(z.size):
            above, below = z.copy(), z.copy()
            above[index] = min(z[index] + _STEP, space.high[index])
            below[index] = max(z[index] - _STEP, space.low[index])
            columns.append((residual(above) - residual(below)) / (above[index] - below[index]))
        return np.column_stack(columns)

    bounds = space.low, space.high
    z = space.start if start is None else start
    result = least_squares(residual, z, jacobian, bounds=bounds, x_scale="jac", xtol=1e-9, ftol=1e-13, gtol=1e-14)
    matrix = np.asarray(result.jac)
    _unit_covariance(matrix, space.names)  # a singular problem is told before that it did not converge
    if not result.success or not np.isfinite(result.x).all():
        raise InputError(f"fit: did not converge ({result.message}); check the data, or bound the parameters")
    return Solution(z=np.asarray(result.x), jacobian=matrix, residual=np.asarray(result.fun))


def _unit_covariance(jacobian: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """(J^T J)^-1; `InputError` naming the parameters, and the experiment, where it does not exist."""
    known = information(jacobian, names, _SINGULAR)
    if known.silent:
        name = known.silent[0]
        raise InputError(
            f"fit: the data do not depend on {name}; leave it out. What would show it: {separating_experiment([name])}"
        )
    if known.mixed:
        mixed = known.mixed[-1]
        raise InputError(
            f"fit: the data cannot tell {' and '.join(shortened(mixed))} apart; fix one (--fix NAME=VALUE). What would "
            f"tell them apart: {separating_experiment(mixed)}"
        )
    return known.covariance


def _bounds_reached(space: ParameterSpace, z: FloatArray, error: FloatArray) -> dict[str, float]:
    """The parameters at a bound, and the bound."""
    reached = {}
    for index, name in enumerate(space.names):
        for limit in (space.low[index], space.high[index]):
            if np.isfinite(limit) and abs(z[index] - limit) <= max(_AT_BOUND * error[index], 1e-9 * abs(limit)):
                reached[name] = float(limit * space.scale[index])
    return reached
