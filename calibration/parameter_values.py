"""One parameter of a fit: whether a tile's model has it, its value, limits and typical size, and how it is set."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

from calibration.names import stem
from calibration.tile_values import TILE_KEYS, is_key, keys_of
from tilemodel.config.errors import InputError
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.numbers import number_at, with_numbers
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["Point", "applied", "check_names", "checked_tile", "limits_of", "typical_size", "value_of"]

Point = tuple[TileConfig, AnyParameters]
"""A tile and the parameters of its model."""

_POSITIVE = ("v_read_volt", "g_factor")
_NOT_NEGATIVE = (
    "r_bit_line_ohm",
    "r_row_ohm",
    "r_access_ohm",
    "r_upper_ohm",
    "r_lower_ohm",
    "device_curvature_per_volt2",
)


def check_names(names: Iterable[str], point: Point) -> None:
    """Raise `InputError` for a name that the model does not have, with the nearest one that it has."""
    tile, parameters = point
    of_model = [name for name in type(parameters).model_fields if name != "kind"]
    for name in names:
        if name not in of_model and not is_key(tile, name):
            known = [*of_model, *keys_of(tile)]
            best = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {best[0]!r}?" if best else f"it has {', '.join(known)}"
            raise InputError(f"calibrate: the model of tile {tile.name} has no parameter {name!r}; {hint}")


def limits_of(name: str, bound: tuple[float, float] | None) -> tuple[float, float]:
    """Physical limits of the parameter `name`, narrowed to `bound`."""
    if stem(name) in TILE_KEYS:
        low, high = TILE_KEYS[stem(name)][1:]
    elif name == "polarity_asymmetry":
        low, high = -9.999, 0.999999
    else:
        low = 1e-12 if name in _POSITIVE else 0.0 if name in _NOT_NEGATIVE else -math.inf
        high = math.inf
    if bound is not None:
        if not bound[0] < bound[1]:
            raise InputError(f"calibrate: bound of {name}: {bound[0]:g} must be smaller than {bound[1]:g}")
        if bound[0] > high or bound[1] < low:
            raise InputError(f"calibrate: bound of {name}: {bound[0]:g} to {bound[1]:g} holds no possible value")
        low, high = max(low, bound[0]), min(high, bound[1])
    return low, high


def typical_size(name: str, usual: Mapping[str, float], point: Point) -> float:
    """By what the fit scales the parameter `name`; those that a calibration against SPICE fits have `usual` sizes."""
    if name in usual:
        return usual[name]
    tile = point[0]
    value = abs(value_of(name, point))
    if stem(name) in TILE_KEYS:
        size = TILE_KEYS[stem(name)][0]
        return max(value, 1e-3 * size) if value else size
    g, v = tile.conductance.g_max_siemens, tile.v_read_volt
    for ending, size in (
        ("ohm_per_ampere", 0.05 / (g * g * v)),
        ("coulomb_per_siemens2", 1e-16 / g**2),
        ("coulomb_per_siemens", 1e-16 / g),
        ("coulomb", 1e-16),
        ("farad", 1e-16 / v),
        ("ohm", 1.0),
        ("volt", v),
        ("per_volt2", 1.0),
    ):
        if name.endswith(ending):
            return value or size
    return value or 0.1  # g_factor, polarity_asymmetry


def value_of(name: str, point: Point) -> float:
    """The present value of the parameter `name`, which the model has."""
    tile, parameters = point
    if stem(name) not in TILE_KEYS:
        return float(getattr(parameters, name))
    value = number_at(tile, name)
    assert value is not None  # check_names
    return value


def applied(point: Point, values: Mapping[str, float]) -> Point:
    """`point` with other values of its parameters."""
    tile, parameters = point
    of_tile = {name: value for name, value in values.items() if stem(name) in TILE_KEYS}
    of_model = {name: value for name, value in values.items() if stem(name) not in TILE_KEYS}
    if of_model:
        parameters = parameters.model_copy(update=of_model)
    return with_numbers(tile, of_tile), parameters


def checked_tile(tile: TileConfig, fitted: Sequence[str], source: str) -> TileConfig:
    """`tile` validated again, with `source` as the origin of the values that were `fitted`."""
    changed = {stem(key): {"kind": "measured", "source": source} for key in fitted if stem(key) in TILE_KEYS}
    content = tile.model_dump(mode="json", exclude_none=True)
    content["sources"] |= changed
    return tile_from_mapping(content, where=f"tile {tile.name}, as fitted")
