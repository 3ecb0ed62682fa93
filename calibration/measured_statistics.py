"""What a fit to measured data is judged by: its statistics, as a compact model keeps them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.free_parameters import ParameterSpace
from calibration.measured import MeasuredData
from calibration.measured_fit import MeasuredFit
from calibration.prediction import coulomb_per_unit
from tilemodel.fit_statistics import FitStatistics, MeasuredStatistics, SetStatistics, TiedValue
from tilemodel.selection import ModelSelection

__all__ = ["fit_statistics"]

FloatArray = NDArray[np.float64]


def fit_statistics(
    result: MeasuredFit, data: Sequence[MeasuredData], space: ParameterSpace, selection: ModelSelection
) -> FitStatistics:
    """Of the fit `result` of `space` to `data`."""
    tiles = (result.tile, *(item.tile for item in space.others))
    kept = [residual[np.isfinite(residual)] for residual in result.residuals]
    charges = np.concatenate(
        [coulomb_per_unit(tile, item) * left for tile, item, left in zip(tiles, data, kept, strict=True)]
    )
    share = [
        float(np.abs(left).max(initial=0.0) / np.abs(item.values[np.isfinite(residual)]).max(initial=0.0))
        for item, residual, left in zip(data, result.residuals, kept, strict=True)
    ]
    ticks = [item.ticks / tile.drive.n_tick_max for tile, item in zip(tiles, data, strict=True)]
    residuals = [
        _residuals(item, residual, inputs, n_saturated)
        for item, residual, inputs, n_saturated in zip(
            data, result.residuals, ticks, result.problem.n_saturated, strict=True
        )
    ]
    sets = [
        SetStatistics(name=item.name, n_observation=left.size, scatter=weight, **values)
        for item, left, weight, values in zip(data, kept, result.problem.weights, residuals, strict=True)
    ]
    return FitStatistics(
        fitted=list(result.names),
        standard_error=_plain(result.standard_error),
        correlation=[_plain(row) for row in result.correlation],
        n_observation=charges.size,
        residual_rms_coulomb=float(np.sqrt(np.mean(charges**2))),
        residual_max_coulomb=float(np.abs(charges).max()),
        residual_max_percent_of_largest_charge=100 * max(share),
        selection=selection,
        measured=MeasuredStatistics(
            **residuals[0],
            value=result.values.tolist(),
            interval_low=_plain(result.interval[0]),
            interval_high=_plain(result.interval[1]),
            resampled_low=_plain(result.resampled[0]),
            resampled_high=_plain(result.resampled[1]),
            fixed=space.fixed,
            tied=_tied(result, space),
            at_bound=list(result.at_bound),
            hardly_separated=list(result.hardly_separated),
            sets=sets if len(sets) > 1 else [],
        ),
    )


def _tied(result: MeasuredFit, space: ParameterSpace) -> dict[str, TiedValue]:
    values = dict(zip(result.names, result.values.tolist(), strict=True))
    return {
        name: TiedValue(source=tie.source, ratio=tie.ratio, value=tie.ratio * values[tie.source])
        for name, tie in space.tied.items()
    }


def _residuals(data: MeasuredData, residual: FloatArray, inputs: FloatArray, n_saturated: int) -> dict[str, Any]:
    """What `SetStatistics` and `MeasuredStatistics` say of residuals [n_vec, n_line or n_col]."""
    left = residual[np.isfinite(residual)]
    return {
        "quantity": data.quantity,
        "unit": data.unit,
        "n_saturated": n_saturated,
        "integration_error_coulomb": data.integration_error_coulomb,
        "rms": float(np.sqrt(np.mean(left**2))),
        "largest": float(np.abs(left).max()),
        "column_mean": _plain(_by_column(residual, 1)),
        "column_rms": _plain(np.sqrt(_by_column(residual, 2))),
        "row_slope": _plain(_by_row(residual, inputs)),
    }


def _plain(values: FloatArray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _by_column(residual: FloatArray, power: int) -> FloatArray:
    """Mean of a power of the residuals of each column (line); NaN where a column has none."""
    counts = np.isfinite(residual).sum(axis=0)
    sums: FloatArray = np.nansum(residual**power, axis=0)
    mean: FloatArray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean


def _by_row(residual: FloatArray, inputs: FloatArray) -> FloatArray:
    """Slope of the vectors' mean residual with each row's input, a full input's worth; NaN where it never changes."""
    counts = np.isfinite(residual).sum(axis=1)
    seen = counts > 0
    mean = np.nansum(residual[seen], axis=1) / counts[seen]
    x = inputs[seen] - inputs[seen].mean(axis=0)
    power = (x**2).sum(axis=0)
    products: FloatArray = x.T @ (mean - mean.mean())
    slope: FloatArray = np.divide(products, power, out=np.full(power.shape, np.nan), where=power > 0)
    return slope
