"""Calibrate a tile to measured data: fit, and keep everything that the result rests on in a compact model."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from calibration.free_parameters import checked_tile, parameter_space
from calibration.measured import MeasuredData
from calibration.measured_fit import MeasuredFit, fit_measured
from calibration.measured_selection import select_measured
from calibration.prediction import coulomb_per_unit
from calibration.selection import selection_lines
from calibration.separation import separating_experiment
from tilemodel.compact import CompactModel, ConditionRecord, FitStatistics, MeasuredStatistics, Provenance
from tilemodel.config.errors import InputError
from tilemodel.config.operands import ticks_sha256
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters
from tilemodel.selection import ModelSelection
from tilemodel.validity import ValidityRange
from tilemodel.version import VERSION

__all__ = ["calibrate_measured", "fit_lines"]

FloatArray = NDArray[np.float64]


def calibrate_measured(
    tile: TileConfig,
    data: MeasuredData,
    *,
    fit: Sequence[str] | None = None,
    fix: Mapping[str, float] | None = None,
    bound: Mapping[str, tuple[float, float]] | None = None,
    n_resample: int = 1000,
    seed: int = 0,
) -> CompactModel:
    """Fit the model of `tile` to `data`; names and bounds as in `parameter_space`, errors as in `fit_measured`."""
    if isinstance(tile.read_out.circuit, Sky130RampReadOut):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: the law of a transistor-level read-out is fitted to circuit "
            "simulations only; leave --data out"
        )
    space = parameter_space(tile, fit=fit, fix=fix, bound=bound)
    result = fit_measured(data, space, n_resample=n_resample, seed=seed)
    fitted_tile = checked_tile(result.tile, [*result.names, *(fix or {})], f"fitted to {data.name}")
    return CompactModel(
        schema_version="tilemodel-compact-2",
        tile=fitted_tile,
        parameters=_checked(result.parameters),
        fit=_statistics(result, data, dict(fix or {}), select_measured(data, space, result)),
        provenance=Provenance(
            package=f"tilemodel {VERSION}",
            engine=f"measured: {data.name}",
            seed=seed,
            cell_sha256=None,
            conditions=[_record(tile, data)],
            reference_error_percent_of_largest_charge=None,
            data_sha256=data.sha256(),
        ),
        validity=_validity(tile, data),
    )


def fit_lines(model: CompactModel) -> list[str]:
    """What a fit to measured data found, for a terminal."""
    fit, more = model.fit, model.fit.measured
    assert more is not None
    lines = [f"{'':34s} {'value':>14s} {'std error':>10s}   95 % interval              by resampling"]
    for index, name in enumerate(fit.fitted):
        error = fit.standard_error[index]
        text = f"{name:34s} {more.value[index]:14.7g} "
        if error is None:
            lines.append(f"{text}   at its bound: the data would have it beyond, its error is not known")
            continue
        lines.append(f"{text}{error:10.2g}   {_ends(more, 'interval', index)}   {_ends(more, 'resampled', index)}")
    lines += [f"{name:34s} {value:14.7g}   fixed" for name, value in more.fixed.items()]
    if more.at_bound and len(more.at_bound) < len(fit.fitted):
        lines.append("errors are those with the parameters at bounds held there")
    for first, second, correlation in more.hardly_separated:
        lines.append(
            f"{first} and {second} are hardly told apart (correlation {correlation:.4f}); what would: "
            f"{separating_experiment([first, second])}"
        )
    column, row = _largest(more.column_mean), _largest(more.row_slope)
    lines.append(
        f"{fit.n_observation} outputs, {more.n_saturated} more left out as saturated; residuals: rms "
        f"{more.rms:.3g}, largest {more.largest:.3g} {more.unit}"
    )
    place = "bit line" if more.quantity == "charge_line_coulomb" else "column"
    if column is not None:
        lines.append(f"largest mean residual of a {place}: {column[1]:.3g} {more.unit} ({place} {column[0]})")
    if row is not None:
        lines.append(f"largest slope of residuals with a row's input: {row[1]:.3g} {more.unit} (row {row[0]})")
    return lines + (selection_lines(fit.selection) if fit.selection is not None else [])


def _largest(values: Sequence[float | None]) -> tuple[int, float] | None:
    """Place and value of the largest in magnitude, of those that are known."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    return max(known, key=lambda item: abs(item[1]), default=None)


def _ends(more: MeasuredStatistics, name: str, index: int) -> str:
    low, high = getattr(more, f"{name}_low")[index], getattr(more, f"{name}_high")[index]
    return f"{low:11.6g} to {high:<11.6g}"


def _checked(parameters: AnyParameters) -> AnyParameters:
    try:
        return type(parameters).model_validate(parameters.model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"fit: {first['loc'][0]} is {first['input']:.3g}, which cannot be; give it another value or bound"
        ) from None


def _statistics(
    result: MeasuredFit, data: MeasuredData, fixed: dict[str, float], selection: ModelSelection
) -> FitStatistics:
    left = result.residual[np.isfinite(result.residual)]
    to_coulomb = coulomb_per_unit(result.tile, data)
    measured = data.values[np.isfinite(result.residual)]
    rms, largest = float(np.sqrt(np.mean(left**2))), float(np.abs(left).max())
    return FitStatistics(
        fitted=list(result.names),
        standard_error=_plain(result.standard_error),
        correlation=[_plain(row) for row in result.correlation],
        n_observation=left.size,
        residual_rms_coulomb=rms * to_coulomb,
        residual_max_coulomb=largest * to_coulomb,
        residual_max_percent_of_largest_charge=100 * largest / float(np.abs(measured).max()),
        selection=selection,
        measured=MeasuredStatistics(
            quantity=data.quantity,
            unit="LSB" if data.quantity == "code" else "coulomb",
            value=result.values.tolist(),
            interval_low=_plain(result.interval[0]),
            interval_high=_plain(result.interval[1]),
            resampled_low=_plain(result.resampled[0]),
            resampled_high=_plain(result.resampled[1]),
            fixed=fixed,
            at_bound=list(result.at_bound),
            hardly_separated=list(result.hardly_separated),
            n_saturated=result.n_saturated,
            rms=rms,
            largest=largest,
            column_mean=_plain(_by_column(result.residual, 1)),
            column_rms=_plain(np.sqrt(_by_column(result.residual, 2))),
            row_slope=_plain(_by_row(result.residual, data.ticks, result.tile.drive.n_tick_max)),
        ),
    )


def _plain(values: FloatArray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _by_column(residual: FloatArray, power: int) -> FloatArray:
    """Mean of a power of the residuals of each column (line); NaN where a column has none."""
    counts = np.isfinite(residual).sum(axis=0)
    sums: FloatArray = np.nansum(residual**power, axis=0)
    mean: FloatArray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean


def _by_row(residual: FloatArray, ticks: NDArray[np.int64], n_tick_max: int) -> FloatArray:
    """Slope of the vectors' mean residual with each row's input, a full input's worth; NaN where it never changes."""
    counts = np.isfinite(residual).sum(axis=1)
    seen = counts > 0
    mean = np.nansum(residual[seen], axis=1) / counts[seen]
    x = ticks[seen] / n_tick_max
    x = x - x.mean(axis=0)
    power = (x**2).sum(axis=0)
    products: FloatArray = x.T @ (mean - mean.mean())
    slope: FloatArray = np.divide(products, power, out=np.full(power.shape, np.nan), where=power > 0)
    return slope


def _record(tile: TileConfig, data: MeasuredData) -> ConditionRecord:
    return ConditionRecord(
        name=data.name,
        n_row=tile.array.n_row,
        n_col=tile.array.n_col,
        v_read_volt=tile.v_read_volt,
        tile_sha256=tile.sha256(),
        conductances_sha256=data.conductances.sha256(),
        ticks_sha256=ticks_sha256(data.ticks),
        deck_sha256=[],
        residual_current_fraction=None,
    )


def _validity(tile: TileConfig, data: MeasuredData) -> ValidityRange:
    """As the data cover it; a tile of empty cells covers no conductance, and says the tile file's range."""
    used = np.concatenate([values[values > 0] for values in data.conductances.arrays().values()])
    return ValidityRange(
        g_min_siemens=float(used.min(initial=np.inf)) if used.size else tile.conductance.g_min_siemens,
        g_max_siemens=float(used.max(initial=0.0)) if used.size else tile.conductance.g_max_siemens,
        n_row_max=tile.array.n_row,
        v_read_min_volt=tile.v_read_volt,
        v_read_max_volt=tile.v_read_volt,
        temperature_celsius=tile.conditions.temperature_celsius,
        supply_factor=tile.conditions.supply_factor,
    )
