"""What a fit to measured data may vary: the model's parameters and values of the tile file, with their limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calibration.other_sets import OtherSet, check_related, number_of, own_names
from calibration.parameter_values import Point, applied, check_names, limits_of, typical_size, value_of
from calibration.procedure import starting_point
from calibration.ties import Tie, check_ties, tied_values, within_ties
from calibration.tile_values import keys_of, members, with_lines
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["ParameterSpace", "parameter_space"]

FloatArray = NDArray[np.float64]
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class ParameterSpace:
    """The free parameters, in units of their typical sizes, and how a point becomes tiles and parameters."""

    tile: TileConfig
    parameters: AnyParameters
    """Of the start, fixed values applied."""
    others: tuple[OtherSet, ...]
    """Of the data sets after the first."""
    names: tuple[str, ...]
    fixed: dict[str, float]
    tied: dict[str, Tie]
    scale: FloatArray
    start: FloatArray
    low: FloatArray
    high: FloatArray
    """All [n_free], in units of `scale`."""

    def at(self, z: FloatArray) -> Point:
        """Tile and parameters of the first data set at `z` [n_free]."""
        return self._first(self._values(z))

    def points(self, z: FloatArray) -> list[Point]:
        """Tile and parameters of every data set at `z` [n_free]."""
        values = self._values(z)
        return [
            self._first(values),
            *(applied((item.tile, item.parameters), item.values(values)) for item in self.others),
        ]

    def without(self, held: Mapping[str, float]) -> "ParameterSpace":
        """The space without the parameters `held`, which stay at the given values, as what is tied to them does."""
        keep = np.array([name not in held for name in self.names])
        values = dict(held) | tied_values(self.tied, held)
        tile, parameters = self._first(values)
        return ParameterSpace(
            tile=tile,
            parameters=parameters,
            others=_held(self.others, values),
            names=tuple(name for name in self.names if name not in held),
            fixed=self.fixed,
            tied={name: tie for name, tie in self.tied.items() if tie.source not in held},
            scale=self.scale[keep],
            start=self.start[keep],
            low=self.low[keep],
            high=self.high[keep],
        )

    def _values(self, z: FloatArray) -> dict[str, float]:
        values = dict(zip(self.names, (z * self.scale).tolist(), strict=True))
        return values | tied_values(self.tied, values)

    def _first(self, values: Mapping[str, float]) -> Point:
        own = {name: value for name, value in values.items() if number_of(name) == 1}
        return applied((self.tile, self.parameters), own)


def parameter_space(
    tile: TileConfig,
    *,
    fit: Sequence[str] | None = None,
    fix: Mapping[str, float] | None = None,
    bound: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, Tie] | None = None,
    per_set: Sequence[str] = (),
    inl_knots: int | None = None,
    others: Sequence[TileConfig] = (),
) -> ParameterSpace:
    """The parameters `fit` (default: those that a calibration against SPICE fits) but for those in `fix` and `tie`.

    A list of the tile's lines (`adc.gain_line`) stands for all its values, `adc.gain_line[3]` for one. Bounds narrow
    the physical limits. `others` are the tiles of further data sets; parameters in `per_set` have a value of their own
    in each. Raises `InputError` for a name that the tile's model does not have (with the nearest one that it has),
    for contradictions, and where nothing is left to fit.
    """
    fix, bound, tie = dict(fix or {}), dict(bound or {}), dict(tie or {})
    start, usual = starting_point(tile)
    given = (*(fit or ()), *fix, *bound, *tie, *(item.source for item in tie.values()), *per_set)
    tile = with_lines(tile, given, inl_knots)
    check_names(given, (tile, start))
    fix, bound = _of_members(tile, fix), _of_members(tile, bound)
    names = _free_names(tile, fit, usual, {*fix, *tie})
    check_ties(tie, names, fix)
    idle = [name for name in bound if name not in names]
    if idle:
        raise InputError(f"calibrate: {idle[0]} has a bound but is not fitted; add it to --fit")
    known = (*names, *fix, *tie)
    related = tuple(_other(number, item, (tile, start), known, inl_knots) for number, item in enumerate(others, 2))
    tile, parameters = applied((tile, start), fix)
    related = _held(related, fix)
    all_names = own_names(names, [one for name in per_set for one in members(tile, name)], 1 + len(others))
    scale = np.array([typical_size(name.split("@")[0], usual, (tile, parameters)) for name in all_names])
    low, high = _ends(all_names, bound, tie) / scale
    points = {1: (tile, parameters), **{item.number: (item.tile, item.parameters) for item in related}}
    values = np.array([value_of(name.split("@")[0], points[number_of(name)]) for name in all_names]) / scale
    return ParameterSpace(
        tile=tile,
        parameters=parameters,
        others=related,
        names=all_names,
        fixed=fix,
        tied=tie,
        scale=scale,
        start=np.clip(values, low, high),
        low=low,
        high=high,
    )


def _ends(names: Sequence[str], bound: Mapping[str, tuple[float, float]], tie: Mapping[str, Tie]) -> FloatArray:
    """Lowest and highest values, [2, n_free]."""
    alone = [name.split("@")[0] for name in names]
    limits = {name: limits_of(name, bound.get(name)) for name in (*alone, *tie)}
    return np.array([within_ties(tie, name, limits[name], limits) for name in alone]).T


def _free_names(tile: TileConfig, fit: Sequence[str] | None, usual: Iterable[str], taken: set[str]) -> tuple[str, ...]:
    """What is fitted: single names, of lists those that nothing else sets."""
    names: list[str] = []
    for name in fit if fit is not None else [name for name in usual if name not in taken]:
        single = members(tile, name)
        if single == (name,) and name in taken:
            raise InputError(f"calibrate: {name} is both to be fitted and fixed or tied; leave one out")
        names += [item for item in single if item not in taken]
    if not names:
        raise InputError("calibrate: nothing is left to fit; name parameters with --fit")
    return tuple(dict.fromkeys(names))


def _of_members(tile: TileConfig, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values of lists as those of their single values; what names one alone goes before."""
    result: dict[str, Value] = {}
    for name in sorted(values, key=lambda name: name.count("[")):
        result |= dict.fromkeys(members(tile, name), values[name])
    return result


def _other(number: int, other: TileConfig, first: Point, names: Sequence[str], inl_knots: int | None) -> OtherSet:
    other = with_lines(other, names, inl_knots)
    check_related(first[0], other, names)
    parameters = starting_point(other)[0]
    missing = [name for name in names if name in keys_of(first[0]) and name not in keys_of(other)]
    if missing:
        raise InputError(f"calibrate: tile {other.name} has no {missing[0]}, which tile {first[0].name} has")
    stated = {name: (value_of(name, first), value_of(name, (other, parameters))) for name in names}
    return OtherSet(number=number, tile=other, parameters=parameters, stated=stated)


def _held(others: Sequence[OtherSet], values: Mapping[str, float]) -> tuple[OtherSet, ...]:
    """The other sets with `values` applied."""
    result = []
    for item in others:
        tile, parameters = applied((item.tile, item.parameters), item.values(values))
        result.append(OtherSet(number=item.number, tile=tile, parameters=parameters, stated=item.stated))
    return tuple(result)
