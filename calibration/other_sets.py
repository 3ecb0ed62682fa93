"""Further data sets of one technology: what the first tile's parameters are in a tile of another size or condition.

A value that both tile files state keeps its proportion to them: a wire fitted 3 % above its file's value is 3 % above
it at another temperature too. The clamp's voltage, and what a file states as 0, keep their distance.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calibration.names import stem
from tilemodel.config.adc import LINE_KEYS
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.technology import technology_differences
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters

__all__ = ["OtherSet", "check_related", "number_of", "own_names"]

_FREE = ("conditions.", "drive.", "cell.v_", "read_out.v_clamp_volt", "read_out.t_tail_second")
_ADDITIVE = ("v_clamp_volt", "adc.offset_lsb", "adc.offset_line_lsb", "adc.inl_line_lsb")


@dataclass(frozen=True, kw_only=True)
class OtherSet:
    """The tile of a data set beyond the first, and its parameters at the fit's start."""

    number: int
    """Of the data set, from 2 on; `NAME@2` is the name of a parameter that this set has for itself."""
    tile: TileConfig
    parameters: AnyParameters
    stated: Mapping[str, tuple[float, float]]
    """What the first tile's file says of a parameter, and this one's."""

    def values(self, values: Mapping[str, float]) -> dict[str, float]:
        """This tile's values, from those of all parameters that are known."""
        own = {name.split("@")[0]: value for name, value in values.items() if number_of(name) == self.number}
        shared = {name: value for name, value in values.items() if number_of(name) == 1 and name not in own}
        return own | {name: self._carried(name, value) for name, value in shared.items()}

    def _carried(self, name: str, value: float) -> float:
        first, here = self.stated[name]
        if first == here:
            return value
        if first == 0 or stem(name) in _ADDITIVE:
            return value + here - first
        return value * here / first


def number_of(name: str) -> int:
    """Of the data set that has the parameter `name` for itself; 1 where there is no @."""
    number = name.partition("@")[2]
    return int(number) if number.isdecimal() else 1


def own_names(names: Sequence[str], per_set: Iterable[str], n_set: int) -> tuple[str, ...]:
    """`names` and, for those in `per_set`, the names of their values in the data sets 2 ... `n_set`."""
    per_set = tuple(per_set)
    idle = [name for name in per_set if name not in names]
    if idle:
        raise InputError(f"calibrate: {idle[0]} is to have a value in each data set but is not fitted; add it to --fit")
    if per_set and n_set < 2:
        raise InputError(f"calibrate: {per_set[0]} is to have a value in each data set, and there is one; give --data")
    return (*names, *(f"{name}@{number}" for name in per_set for number in range(2, n_set + 1)))


def check_related(first: TileConfig, other: TileConfig, names: Iterable[str]) -> None:
    """Raise `InputError` unless `other` is of `first`'s technology: voltages, timing and conditions may differ."""
    for key, (ours, theirs) in technology_differences(first, other).items():
        if not key.startswith(_FREE):
            raise InputError(
                f"tile {other.name}: {key} = {theirs}, but {ours} in tile {first.name}; data sets of one fit are of "
                "one technology: they differ in size, drive, voltages and conditions"
            )
    lines = [name for name in names if stem(name) in {f"adc.{key}" for key in LINE_KEYS}]
    if lines and line_count(first) != line_count(other):
        raise InputError(
            f"calibrate: {stem(lines[0])} belongs to the {line_count(first)} bit lines of tile {first.name}, and tile "
            f"{other.name} has {line_count(other)}; fit it to data of one of them"
        )
