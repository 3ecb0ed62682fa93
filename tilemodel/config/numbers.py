"""Single numbers of a tile by their dotted keys, as `wires.r_driver_ohm`, or `adc.gain_line[3]` of a list."""

import re
from collections.abc import Mapping
from typing import Any

from tilemodel.config.section import Section

__all__ = ["key_path", "number_at", "with_numbers"]

_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*(\[\d{1,9}\])*")


def key_path(key: str) -> tuple[str | int, ...] | None:
    """Names and places in lists that lead to `key`; None where it is no such key."""
    if _NAME.fullmatch(key) is None:
        return None
    names, *places = key.replace("]", "").split("[")
    return (*names.split("."), *map(int, places))


def number_at(section: Section, key: str) -> float | None:
    """The floating-point number of `section` (a tile, or a table of it) that `key` names; None where it has none."""
    part: Any = section
    for step in key_path(key) or ("",):
        if isinstance(step, int):
            part = part[step] if isinstance(part, tuple) and step < len(part) else None
        else:
            part = getattr(part, step) if isinstance(part, Section) and step in type(part).model_fields else None
    return part if isinstance(part, float) else None


def with_numbers(section: Any, values: Mapping[str, float]) -> Any:
    """`section` with other `values` at keys for which `number_at` has a number; a copy, not validated again."""
    tree: dict[str | int, Any] = {}
    for key, value in values.items():
        *way, last = key_path(key) or ("",)
        branch = tree
        for step in way:
            branch = branch.setdefault(step, {})
        branch[last] = value
    return _replaced(section, tree)


def _replaced(part: Any, tree: Any) -> Any:
    if not isinstance(tree, dict) or not tree:
        return part if tree == {} else tree
    if isinstance(part, tuple):
        items = list(part)
        for place, branch in tree.items():
            items[place] = _replaced(items[place], branch)
        return tuple(items)
    return part.model_copy(update={name: _replaced(getattr(part, name), branch) for name, branch in tree.items()})
