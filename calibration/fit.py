"""Fit the fast model's parameters to charges: bounded-free least squares with standard errors that mean something."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.experiment import Condition
from tilemodel.config.errors import InputError
from tilemodel.model import TileModel
from tilemodel.parameters import GatedParameters, RailPairParameters

__all__ = ["Fit", "Observation", "fit_parameters"]

FloatArray = NDArray[np.float64]
AnyParameters = RailPairParameters | GatedParameters

# The Jacobian comes from differences and is known to about 1e-8; directions weaker than this cannot be told from noise
_SINGULAR = 1e-6


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
    result = least_squares(
        residual, z0, method="lm", x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14, diff_step=[1e-6] * len(names)
    )
    if not result.success or not np.isfinite(result.x).all():
        raise InputError(f"fit: did not converge ({result.message}); check the data and the start values")
    covariance = _covariance(np.asarray(result.jac), result.fun, names)
    error = np.sqrt(np.diag(covariance))
    return Fit(
        parameters=parameters_at(result.x),
        fitted=names,
        standard_error=error * scale,
        correlation=covariance / np.outer(error, error),
        residual_coulomb=result.fun / weight,
    )


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


def _covariance(jacobian: FloatArray, residual: FloatArray, names: Sequence[str]) -> FloatArray:
    """s^2 (J^T J)^-1 by singular values of the column-scaled Jacobian."""
    length = np.linalg.norm(jacobian, axis=0)
    if (length == 0).any():
        raise InputError(f"fit: the data do not depend on {names[int(np.argmin(length))]}; leave it out")
    _, singular, v_transposed = np.linalg.svd(jacobian / length, full_matrices=False)
    if singular[-1] < _SINGULAR * singular[0]:
        mixed = [name for name, part in zip(names, v_transposed[-1], strict=True) if abs(part) > 0.1]
        raise InputError(f"fit: the data cannot tell {' and '.join(mixed)} apart; fix one or add a condition")
    variance = float(residual @ residual) / (residual.size - len(names))
    root = v_transposed.T / singular / length[:, np.newaxis]
    covariance: FloatArray = variance * (root @ root.T)
    return covariance
