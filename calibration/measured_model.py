"""Calibrate a tile to measured data: fit, and keep everything that the result rests on in a compact model."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import ValidationError

from calibration.free_parameters import parameter_space
from calibration.measured import MeasuredData
from calibration.measured_fit import fit_measured
from calibration.measured_lines import fit_lines
from calibration.measured_selection import select_measured
from calibration.measured_statistics import fit_statistics
from calibration.parameter_values import checked_tile
from calibration.ties import Tie
from tilemodel.compact import CompactModel, ConditionRecord, Provenance
from tilemodel.config.errors import InputError
from tilemodel.config.operands import ticks_sha256
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters
from tilemodel.validity import ValidityRange
from tilemodel.version import VERSION

__all__ = ["calibrate_measured", "fit_lines"]


def calibrate_measured(
    tile: TileConfig,
    data: MeasuredData,
    *,
    others: Sequence[tuple[TileConfig, MeasuredData]] = (),
    fit: Sequence[str] | None = None,
    fix: Mapping[str, float] | None = None,
    bound: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, Tie] | None = None,
    per_set: Sequence[str] = (),
    inl_knots: int | None = None,
    n_resample: int = 1000,
    seed: int = 0,
) -> CompactModel:
    """Fit the model of `tile` to `data`, and to data of `others`, tiles of the same technology.

    Names, bounds, ties and `per_set` as in `parameter_space`, errors as in `fit_measured`. The model is that of `tile`.
    """
    tiles, sets = [tile, *(item[0] for item in others)], [data, *(item[1] for item in others)]
    for item in tiles:
        if isinstance(item.read_out.circuit, Sky130RampReadOut):
            raise InputError(
                f"tile {item.name} [read_out.circuit]: the law of a transistor-level read-out is fitted to circuit "
                "simulations only; leave --data out"
            )
    space = parameter_space(
        tile, fit=fit, fix=fix, bound=bound, tie=tie, per_set=per_set, inl_knots=inl_knots, others=tiles[1:]
    )
    result = fit_measured(sets, space, n_resample=n_resample, seed=seed)
    names = ", ".join(item.name for item in sets)
    fitted_tile = checked_tile(result.tile, [*result.names, *space.fixed, *space.tied], f"fitted to {names}")
    return CompactModel(
        schema_version="tilemodel-compact-2",
        tile=fitted_tile,
        parameters=_checked(result.parameters),
        fit=fit_statistics(result, sets, space, select_measured(space, result)),
        provenance=Provenance(
            package=f"tilemodel {VERSION}",
            engine=f"measured: {names}",
            seed=seed,
            cell_sha256=None,
            conditions=[_record(*pair) for pair in zip(tiles, sets, strict=True)],
            reference_error_percent_of_largest_charge=None,
            data_sha256=_sha256(sets),
        ),
        validity=_validity(tiles, sets),
    )


def _sha256(sets: Sequence[MeasuredData]) -> str:
    """Of one set its own; of several that of their hashes, one after the other."""
    hashes = [item.sha256() for item in sets]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _checked(parameters: AnyParameters) -> AnyParameters:
    try:
        return type(parameters).model_validate(parameters.model_dump())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"fit: {first['loc'][0]} is {first['input']:.3g}, which cannot be; give it another value or bound"
        ) from None


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


def _validity(tiles: Sequence[TileConfig], sets: Sequence[MeasuredData]) -> ValidityRange:
    """As the data cover it; tiles of empty cells cover no conductance, and say the tile file's range."""
    tile, volts = tiles[0], [item.v_read_volt for item in tiles]
    arrays = [values for item in sets for values in item.conductances.arrays().values()]
    used = np.concatenate([values[values > 0] for values in arrays])
    return ValidityRange(
        g_min_siemens=float(used.min(initial=np.inf)) if used.size else tile.conductance.g_min_siemens,
        g_max_siemens=float(used.max(initial=0.0)) if used.size else tile.conductance.g_max_siemens,
        n_row_max=max(item.array.n_row for item in tiles),
        v_read_min_volt=min(volts),
        v_read_max_volt=max(volts),
        temperature_celsius=tile.conditions.temperature_celsius,
        supply_factor=tile.conditions.supply_factor,
    )
