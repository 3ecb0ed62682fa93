"""Fit the fast model's parameters to charges: least squares, with standard errors from the scatter that is left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.optimize import least_squares

from calibration.experiment import Condition
from calibration.information import central_jacobian, information, leverage
from tilemodel.config.errors import InputError
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters

__all__ = ["SINGULAR", "Fit", "Observation", "fit_parameters", "sensitivity"]

FloatArray = NDArray[np.float64]

# Step of the central differences, in units of each parameter's typical size: the model is smooth over far more
_STEP = 1e-4
SINGULAR = 1e-8
"""The Jacobian is known to about 1e-10; directions weaker than this, of the strongest, cannot be told from noise."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A condition of the experiment and the charges measured under it."""

    condition: Condition
    charge_line_coulomb: FloatArray
    """[n_vec, n_line]"""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Fitted parameters with their uncertainty."""

    parameters: AnyParameters
    fitted: tuple[str, ...]
    standard_error: FloatArray
    """[n_fitted], in each parameter's unit, from the scatter of the residuals."""
    correlation: FloatArray
    """[n_fitted, n_fitted]"""
    residual_coulomb: FloatArray
    """[n_observation], model less data."""
    weighted_residual: FloatArray
    """[n_observation], each as a fraction of its condition's largest charge: what was made small."""
    leverage: FloatArray
    """[n_observation], by how much each fitted value follows its datum."""


def fit_parameters(observations: Sequence[Observation], start: AnyParameters, scales: dict[str, float]) -> Fit:
    """Fit the parameters named in `scales` (their typical sizes), the others staying at `start`.

    The residuals of a condition are weighted with its largest charge. Raises `InputError` if there are too
    few observations, the fit does not converge, or the data cannot tell some parameters apart (named).
    """
    names = tuple(scales)
    scale = np.array([scales[name] for name in names])
    n_observation = sum(item.charge_line_coulomb.size for item in observations)
    if n_observation <= len(names):
        raise InputError(f"fit: {n_observation} observations cannot determine {len(names)} parameters; simulate more")
    weight = np.concatenate(
        [np.full(item.charge_line_coulomb.size, 1 / np.abs(item.charge_line_coulomb).max()) for item in observations]
    )

    def parameters_at(z: FloatArray) -> AnyParameters:
        return start.model_copy(update=dict(zip(names, (z * scale).tolist(), strict=True)))

    def residual(z: FloatArray) -> FloatArray:
        weighted: FloatArray = _residual_coulomb(observations, parameters_at(z)) * weight
        return weighted

    z0 = np.array([getattr(start, name) for name in names]) / scale

    def jacobian(z: FloatArray) -> FloatArray:
        return central_jacobian(residual, z, _STEP)

    result = least_squares(residual, z0, jacobian, method="lm", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    unit_covariance = _unit_covariance(np.asarray(result.jac), names)
    if not result.success or not np.isfinite(result.x).all():
        raise InputError(f"fit: did not converge ({result.message}); check the data and the start values")
    spread = np.sqrt(np.diag(unit_covariance))
    return Fit(
        parameters=_checked(parameters_at(result.x)),
        fitted=names,
        standard_error=_residual_deviation(result.fun, len(names)) * spread * scale,
        correlation=unit_covariance / np.outer(spread, spread),
        residual_coulomb=result.fun / weight,
        weighted_residual=result.fun,
        leverage=leverage(np.asarray(result.jac)),
    )


def sensitivity(conditions: Sequence[Condition], parameters: AnyParameters, scales: dict[str, float]) -> FloatArray:
    """The fit's Jacobian at `parameters` [n_observation, n_fitted], before anything has been simulated.

    Charges are in units of each condition's largest, parameters in units of `scales`.
    """
    names, scale = tuple(scales), np.array(list(scales.values()))

    def charges(z: FloatArray) -> FloatArray:
        moved = parameters.model_copy(update=dict(zip(names, (z * scale).tolist(), strict=True)))
        parts = [TileModel(item.tile, item.conductances, moved).charges(item.ticks) for item in conditions]
        return np.concatenate([(part / size).ravel() for part, size in zip(parts, sizes, strict=True)])

    sizes = [
        float(np.abs(TileModel(item.tile, item.conductances, parameters).charges(item.ticks)).max())
        for item in conditions
    ]
    return central_jacobian(charges, np.array([getattr(parameters, name) for name in names]) / scale, _STEP)


def _checked(parameters: AnyParameters) -> AnyParameters:
    """The fitted parameters if they are possible ones; `InputError` naming the one that is not."""
    try:
        return type(parameters).model_validate(parameters.model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"fit: {first['loc'][0]} came out as {first['input']:.3g}, which cannot be; the data hardly depend on it"
        ) from None


def _residual_deviation(residual: FloatArray, n_fitted: int) -> float:
    """Standard deviation of the weighted residuals; never less than the rounding of their numbers."""
    deviation = np.sqrt(float(residual @ residual) / (residual.size - n_fitted))
    return float(max(deviation, np.finfo(np.float64).eps))


def _residual_coulomb(observations: Sequence[Observation], parameters: AnyParameters) -> FloatArray:
    return np.concatenate(
        [
            (
                TileModel(item.condition.tile, item.condition.conductances, parameters).charges(item.condition.ticks)
                - item.charge_line_coulomb
            ).ravel()
            for item in observations
        ]
    )


def _unit_covariance(jacobian: FloatArray, names: Sequence[str]) -> FloatArray:
    """(J^T J)^-1; `InputError` where it does not exist."""
    known = information(jacobian, names, SINGULAR)
    if known.silent:
        raise InputError(f"fit: the data do not depend on {known.silent[0]}; leave it out")
    if known.mixed:
        mixed = " and ".join(known.mixed[-1])
        raise InputError(f"fit: the data cannot tell {mixed} apart; fix one or add a condition")
    return known.covariance
