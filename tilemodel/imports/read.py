"""Configurations from files, or from an `rpu_config` of aihwkit in memory."""

import dataclasses
import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tilemodel.config.errors import InputError
from tilemodel.config.load import read_limited
from tilemodel.imports.aihwkit import from_aihwkit
from tilemodel.imports.configuration import Configuration
from tilemodel.imports.crosssim import from_crosssim

__all__ = ["configuration_from_rpu_config", "load_configuration"]

_MAX_FILE_BYTES = 10_000_000


def load_configuration(path: str | Path) -> Configuration:
    """Read CrossSim's parameters, our aihwkit.json, or the `dataclasses.asdict` of an `rpu_config` (JSON).

    Raises `InputError` for any other content, and for settings that cannot be computed here.
    """
    path = Path(path)
    content = _content(path, "a configuration (JSON) of CrossSim or aihwkit")
    try:
        if isinstance(content, dict) and content.keys() & {"xbar", "core", "simulation"}:
            return from_crosssim(content, _beside(path))
        if isinstance(content, dict) and isinstance(content.get("forward"), dict):
            return from_aihwkit(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    raise InputError(
        f"{path}: neither a configuration of CrossSim (tables core, xbar, simulation) nor of aihwkit (table forward)"
    )


def _content(path: Path, what: str) -> Any:
    text = read_limited(path, _MAX_FILE_BYTES, what)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None


def _beside(path: Path) -> dict[str, Any] | None:
    """The values of our classes for CrossSim, from the file that the export wrote beside `path`."""
    other = path.with_name("crosssim_tile.json")
    if not other.exists():
        return None
    content = _content(other, "the values of an export's classes (JSON)")
    if not isinstance(content, dict):
        raise InputError(f"{other}: expected a table, got {type(content).__name__}")
    return content


def configuration_from_rpu_config(rpu_config: Any) -> Configuration:
    """The configuration of a live `rpu_config` of aihwkit; its module is not imported.

    Raises `InputError` as `load_configuration`.
    """
    forward = _plain(getattr(rpu_config, "forward", None))
    if not isinstance(forward, dict):
        raise InputError(f"{type(rpu_config).__name__}: has no forward parameters; give an rpu_config of aihwkit")
    content: dict[str, Any] = {"forward": forward}
    converter = getattr(getattr(rpu_config, "noise_model", None), "g_converter", None)
    if converter is not None:
        content["conductance"] = {
            "g_max_microsiemens": getattr(converter, "g_max", None),
            "g_min_microsiemens": getattr(converter, "g_min", None),
        }
    return from_aihwkit(content)


def _plain(value: Any) -> Any:
    """Dataclasses and enumerations as plain values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
