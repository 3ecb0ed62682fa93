"""Names of parameters: those of one bit line each, as `adc.gain_line[3]`, belong together."""

from collections.abc import Iterable

__all__ = ["shortened", "stem"]


def stem(name: str) -> str:
    """The name without places: `adc.gain_line` of `adc.gain_line[3]`."""
    return name.split("[")[0]


def shortened(names: Iterable[str]) -> list[str]:
    """The names, those of many lines in one: `adc.gain_line[0..7]`, or `adc.inl_line_lsb (12)` with their number."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(stem(name), []).append(name)
    result = []
    for first, members in groups.items():
        places = [name[len(first) + 1 : -1] for name in members]
        if len(members) < 3:
            result += members
        elif all(place.isdecimal() for place in places) and _run(list(map(int, places))):
            result.append(f"{first}[{places[0]}..{places[-1]}]")
        else:
            result.append(f"{first} ({len(members)} of them)")
    return result


def _run(places: list[int]) -> bool:
    return places == list(range(places[0], places[0] + len(places)))
