"""Model selection for a fit to measured data; see `calibration.selection`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from calibration.free_parameters import ParameterSpace
from calibration.information import leverage
from calibration.measured_fit import MeasuredFit, solve
from calibration.selection import ideal_value, select_model
from tilemodel.config.numbers import number_at
from tilemodel.selection import ModelSelection

__all__ = ["select_measured"]

FloatArray = NDArray[np.float64]


def select_measured(space: ParameterSpace, fit: MeasuredFit) -> ModelSelection:
    """Compare `fit`, of `space`, with simpler models within the bounds; what is at a bound stays there.

    The data sets keep the weights of `fit`: residuals of one set are fractions of its largest datum, those of several
    in units of their scatter.
    """
    values = dict(zip(fit.names, fit.values.tolist(), strict=True))
    inner = space.without({name: values[name] for name in fit.at_bound})
    ideal: dict[str, float] = {}
    for name, low, high, scale in zip(inner.names, inner.low, inner.high, inner.scale, strict=True):
        value = ideal_value(space.tile, name)
        value = number_at(space.tile, name) if value is None else value
        if value is not None and low * scale <= value <= high * scale and "@" not in name:
            ideal[name] = value

    def refit(held: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        found = solve(fit.problem, inner.without(held))
        return found.residual, leverage(found.jacobian)

    return select_model(ideal, len(inner.names), *refit({}), refit)
