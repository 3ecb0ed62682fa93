"""In what two tiles differ that a calibration depends on."""

from typing import Any

from tilemodel.config.tile import TileConfig

__all__ = ["technology_differences"]


def technology_differences(first: TileConfig, second: TileConfig) -> dict[str, tuple[Any, Any]]:
    """Values in which the tiles' technologies differ, by dotted key, in order; None where one has no such key."""
    ours, theirs = _flatten(first.technology()), _flatten(second.technology())
    pairs = {key: (ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys())}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in tree.items():
        if isinstance(item, dict):
            flat.update(_flatten(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item
    return flat
