"""Model selection for a fit to measured data; see `calibration.selection`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from calibration.free_parameters import ParameterSpace, tile_value
from calibration.information import leverage
from calibration.measured import MeasuredData
from calibration.measured_fit import MeasuredFit, solve
from calibration.selection import ideal_value, select_model
from tilemodel.selection import ModelSelection

__all__ = ["select_measured"]

FloatArray = NDArray[np.float64]


def select_measured(data: MeasuredData, space: ParameterSpace, fit: MeasuredFit) -> ModelSelection:
    """Compare `fit`, of `space` to `data`, with simpler models within the bounds; what is at a bound stays there."""
    used = np.isfinite(fit.residual)
    size = float(np.abs(data.values[used]).max()) or 1.0
    values = dict(zip(fit.names, fit.values.tolist(), strict=True))
    inner = space.without({name: values[name] for name in fit.at_bound})
    ideal: dict[str, float] = {}
    for name, low, high, scale in zip(inner.names, inner.low, inner.high, inner.scale, strict=True):
        value = ideal_value(space.tile, name)
        value = tile_value(space.tile, name) if value is None else value
        if value is not None and low * scale <= value <= high * scale:
            ideal[name] = value

    def refit(held: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        _, jacobian, left = solve(data, inner.without(held), used)
        return left / size, leverage(jacobian)

    return select_model(ideal, len(inner.names), *refit({}), refit)
