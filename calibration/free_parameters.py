"""What a fit to measured data may vary: the model's parameters and values of the tile file, with their limits."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.procedure import starting_point
from tilemodel.config.errors import InputError
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["ParameterSpace", "checked_tile", "parameter_space", "tile_value"]

FloatArray = NDArray[np.float64]

# Values of the tile file that the model takes from there, with typical sizes and limits; where the tile has them
_TILE_KEYS = {
    "wires.r_terminal_ohm": (10.0, 0.0, 1e9),
    "wires.r_driver_ohm": (10.0, 0.0, 1e9),
    "read_out.circuit.r_clamp_ohm": (10.0, 0.0, 1e9),
    "read_out.circuit.ratio": (0.1, 1e-6, 1e6),
    "adc.gain": (0.1, 1e-3, 1e3),
    "adc.offset_lsb": (1.0, -1e9, 1e9),
    "adc.f_hertz_per_ampere": (1e13, 1.0, 1e24),
    "adc.i_half_ampere": (1e-4, 1e-15, 1e6),
}
_POSITIVE = ("v_read_volt", "g_factor")
_NOT_NEGATIVE = (
    "r_bit_line_ohm",
    "r_row_ohm",
    "r_access_ohm",
    "r_upper_ohm",
    "r_lower_ohm",
    "device_curvature_per_volt2",
)


@dataclass(frozen=True, kw_only=True)
class ParameterSpace:
    """The free parameters, in units of their typical sizes, and how a point becomes a tile and parameters."""

    tile: TileConfig
    parameters: AnyParameters
    """Of the start, fixed values applied."""
    names: tuple[str, ...]
    fixed: dict[str, float]
    scale: FloatArray
    start: FloatArray
    low: FloatArray
    high: FloatArray
    """All [n_free], in units of `scale`."""

    def at(self, z: FloatArray) -> tuple[TileConfig, AnyParameters]:
        """Tile and parameters at `z` [n_free]."""
        return _applied(self.tile, self.parameters, dict(zip(self.names, (z * self.scale).tolist(), strict=True)))

    def without(self, held: Mapping[str, float]) -> "ParameterSpace":
        """The space without the parameters `held`, which stay at the given values."""
        keep = np.array([name not in held for name in self.names])
        tile, parameters = _applied(self.tile, self.parameters, held)
        return ParameterSpace(
            tile=tile,
            parameters=parameters,
            names=tuple(name for name in self.names if name not in held),
            fixed=self.fixed,
            scale=self.scale[keep],
            start=self.start[keep],
            low=self.low[keep],
            high=self.high[keep],
        )


def parameter_space(
    tile: TileConfig,
    *,
    fit: Sequence[str] | None = None,
    fix: Mapping[str, float] | None = None,
    bound: Mapping[str, tuple[float, float]] | None = None,
) -> ParameterSpace:
    """The parameters `fit` (default: those that a calibration against SPICE fits) but for those in `fix`.

    Bounds narrow the physical limits. Raises `InputError` for a name that the tile's model does not have (with the
    nearest one that it has), for contradictions, and where nothing is left to fit.
    """
    fix, bound = dict(fix or {}), dict(bound or {})
    parameters, usual = starting_point(tile)
    known = [name for name in type(parameters).model_fields if name != "kind"]
    known += [key for key in _TILE_KEYS if tile_value(tile, key) is not None]
    names = tuple(dict.fromkeys(fit if fit is not None else (name for name in usual if name not in fix)))
    for name in (*names, *fix, *bound):
        _check_name(name, known, tile)
    both = [name for name in names if name in fix]
    if both:
        raise InputError(f"calibrate: {both[0]} is both to be fitted and fixed; leave one out")
    idle = [name for name in bound if name not in names]
    if idle:
        raise InputError(f"calibrate: {idle[0]} has a bound but is not fitted; add it to --fit")
    if not names:
        raise InputError("calibrate: nothing is left to fit; name parameters with --fit")
    tile, parameters = _applied(tile, parameters, fix)
    scale = np.array([_scale(name, usual, tile, parameters) for name in names])
    limits = [_limits(name, bound.get(name)) for name in names]
    low, high = (np.array(side) / scale for side in zip(*limits, strict=True))
    values = np.array([_current(name, tile, parameters) for name in names]) / scale
    return ParameterSpace(
        tile=tile,
        parameters=parameters,
        names=names,
        fixed=fix,
        scale=scale,
        start=np.clip(values, low, high),
        low=low,
        high=high,
    )


def _check_name(name: str, known: list[str], tile: TileConfig) -> None:
    if name not in known:
        best = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {best[0]!r}?" if best else f"it has {', '.join(known)}"
        raise InputError(f"calibrate: the model of tile {tile.name} has no parameter {name!r}; {hint}")


def _limits(name: str, bound: tuple[float, float] | None) -> tuple[float, float]:
    if name in _TILE_KEYS:
        low, high = _TILE_KEYS[name][1:]
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


def _scale(name: str, usual: Mapping[str, float], tile: TileConfig, parameters: AnyParameters) -> float:
    if name in usual:
        return usual[name]
    value = abs(_current(name, tile, parameters))
    if name in _TILE_KEYS:
        return max(value, 1e-3 * _TILE_KEYS[name][0]) if value else _TILE_KEYS[name][0]
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


def _current(name: str, tile: TileConfig, parameters: AnyParameters) -> float:
    value = tile_value(tile, name) if name in _TILE_KEYS else float(getattr(parameters, name))
    assert value is not None  # _check_name
    return value


def tile_value(tile: TileConfig, key: str) -> float | None:
    """The number of the dotted `key` of `tile`; None where it has none."""
    part: Any = tile
    for name in key.split("."):
        part = getattr(part, name, None)
    return None if part is None else float(part)


def _applied(
    tile: TileConfig, parameters: AnyParameters, values: Mapping[str, float]
) -> tuple[TileConfig, AnyParameters]:
    of_tile = {name: value for name, value in values.items() if name in _TILE_KEYS}
    of_model = {name: value for name, value in values.items() if name not in _TILE_KEYS}
    if of_model:
        parameters = parameters.model_copy(update=of_model)
    for key, value in of_tile.items():
        tile = _with_value(tile, key.split("."), value)
    return tile, parameters


def _with_value(section: Any, path: list[str], value: float) -> Any:
    inner = value if len(path) == 1 else _with_value(getattr(section, path[0]), path[1:], value)
    return section.model_copy(update={path[0]: inner})


def checked_tile(tile: TileConfig, fitted: Sequence[str], source: str) -> TileConfig:
    """`tile` validated again, with `source` as the origin of the values that were `fitted`."""
    changed = {key: {"kind": "measured", "source": source} for key in fitted if key in _TILE_KEYS}
    content = tile.model_dump(mode="json", exclude_none=True)
    content["sources"] |= changed
    return tile_from_mapping(content, where=f"tile {tile.name}, as fitted")
