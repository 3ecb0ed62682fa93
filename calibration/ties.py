"""Tied parameters: one fitted value that also sets others, each in a fixed ratio to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tilemodel.config.errors import InputError

__all__ = ["Tie", "check_ties", "tied_values", "within_ties"]


@dataclass(frozen=True, kw_only=True)
class Tie:
    """`ratio` times the value of the fitted parameter `source`."""

    source: str
    ratio: float = 1.0

    def __str__(self) -> str:
        return self.source if self.ratio == 1 else f"{self.ratio:g} x {self.source}"


def check_ties(ties: Mapping[str, Tie], names: Sequence[str], fixed: Mapping[str, float]) -> None:
    """Raise `InputError` for a tie to what is not fitted, of what has a value already, or of ratio 0."""
    for name, tie in ties.items():
        if name in names or name in fixed:
            raise InputError(f"calibrate: {name} is tied and {'fitted' if name in names else 'fixed'}; leave one out")
        if tie.source not in names:
            what = "is tied itself" if tie.source in ties else "is not fitted"
            raise InputError(f"calibrate: {name} is tied to {tie.source}, which {what}; tie it to a fitted parameter")
        if tie.ratio == 0:
            raise InputError(f"calibrate: {name} is 0 times {tie.source}; fix it at 0 (--fix {name}=0)")


def tied_values(ties: Mapping[str, Tie], values: Mapping[str, float]) -> dict[str, float]:
    """What `values` of sources make of the parameters tied to them, in each data set alike (`NAME@2`)."""
    result: dict[str, float] = {}
    for source, value in values.items():
        alone, at, number = source.partition("@")
        result |= {f"{name}{at}{number}": tie.ratio * value for name, tie in ties.items() if tie.source == alone}
    return result


def within_ties(
    ties: Mapping[str, Tie], source: str, limits: tuple[float, float], limits_of: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    """`limits` of `source`, narrowed to what keeps every parameter tied to it within its own `limits_of`."""
    low, high = limits
    for name, tie in ties.items():
        if tie.source == source:
            ends = sorted(limit / tie.ratio for limit in limits_of[name])
            low, high = max(low, ends[0]), min(high, ends[1])
    if not low < high:
        raise InputError(f"calibrate: no value of {source} keeps what is tied to it within its limits; widen them")
    return low, high
