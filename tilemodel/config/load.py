"""Read a tile file: TOML, with an optional preset underneath, into a `TileConfig`.

A leaf is a plain value, or a table with `value`, `unit`, `kind`, `source` and optionally `locator` and
`validity`. In a preset every leaf is such a table. The tile file's own values stand above the preset's.
"""

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tilemodel.config.errors import InputError
from tilemodel.config.sources import ParameterSource
from tilemodel.config.tile import TileConfig

__all__ = ["explain_validation", "load_noise_preset", "load_tile", "preset_names", "read_limited", "tile_from_mapping"]

_UNITS = (
    "ohm",
    "farad",
    "volt",
    "second",
    "siemens",
    "coulomb",
    "ampere",
    "metre",
    "hertz_per_ampere",
    "lsb",
    "percent",
    "celsius",
    "per_kelvin",
    "per_root_hertz",
    "siemens_per_root_hertz",
    "hertz",
    "cycle",
)
_SOURCED_KEYS = {"value", "unit", "kind", "source", "locator", "validity"}
_MAX_FILE_BYTES = 1_000_000


def preset_names(folder: str = "presets") -> list[str]:
    """Names of the presets that come with the package: of tiles, or of noise (`folder` "noise/presets")."""
    entries = (resources.files("tilemodel") / folder).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def load_tile(path: str | Path) -> TileConfig:
    """Read the tile file at `path`.

    Raises `InputError` naming file, table and key where the file is missing, malformed or incomplete.
    """
    path = Path(path)
    try:
        return _load(path)
    except RecursionError:
        raise InputError(f"{path}: tables are nested too deeply for a tile file") from None


def _load(path: Path) -> TileConfig:
    content = _read_toml(path)
    if "sources" in content:
        raise InputError(f"{path}: unknown key 'sources'; a source stands beside its value, as in a preset")
    preset = content.pop("preset", None)
    if preset is not None and not isinstance(preset, str):
        raise InputError(f"{path}: preset must be a name or a path in quotes, not {preset!r}")
    values: dict[str, Any] = {}
    sources: dict[str, ParameterSource] = {}
    if preset is not None:
        preset_path = _preset_path(path, preset)
        _merge(values, sources, _read_toml(preset_path, "a preset"), preset_path, is_preset=True)
    _lay_noise_preset(values, sources, content, path)
    _merge(values, sources, content, path, is_preset=False)
    _resolve_files(values, path.parent)
    return tile_from_mapping(values, sources=sources, where=str(path))


def tile_from_mapping(
    values: Mapping[str, Any], *, sources: Mapping[str, ParameterSource] | None = None, where: str = "tile"
) -> TileConfig:
    """Build a tile from nested mappings of plain values; `where` names them in errors.

    Raises `InputError` naming table and key, with the nearest known key.
    """
    values = dict(values)
    if sources:
        values["sources"] = dict(sources)
    try:
        return TileConfig.model_validate(values)
    except ValidationError as error:
        remedy = f"give it in the tile file or name a preset that holds it, such as {', '.join(preset_names())}"
        raise InputError(explain_validation(error, TileConfig, where, remedy=remedy)) from None


def read_limited(path: Path, max_bytes: int, what: str) -> bytes:
    """The bytes of the file at `path`. Raises `InputError` if it cannot be read or holds more than `max_bytes`."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read ({reason}); give the path of {what}") from None
    if len(data) > max_bytes:
        raise InputError(f"{path}: more than {max_bytes} bytes, which is too large for {what}")
    return data


def explain_validation(error: ValidationError, root: type[BaseModel], where: str, *, remedy: str) -> str:
    """One line for each thing that is wrong with a file that describes `root`; `remedy` is against missing keys."""
    return "\n".join(_explain(item, root, where, remedy) for item in error.errors())


def _resolve_files(values: dict[str, Any], folder: Path) -> None:
    """Take the paths of circuits of the user's own from the tile file's folder."""
    cell = values.get("cell")
    for name in ("access", "device"):
        part = cell.get(name) if isinstance(cell, dict) else None
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("file"), str):
            part["file"] = str(folder.absolute() / part["file"])
        if isinstance(part.get("model_files"), list):
            part["model_files"] = [
                str(folder.absolute() / item) if isinstance(item, str) else item for item in part["model_files"]
            ]


def _read_toml(path: Path, what: str = "a tile file") -> dict[str, Any]:
    data = read_limited(path, _MAX_FILE_BYTES, f"{what} (TOML)")
    try:
        return tomllib.loads(data.decode())
    except ValueError as error:  # of TOML, of UTF-8, of a number with thousands of digits
        raise InputError(f"{path}: not valid TOML, so no tile file: {error}") from None


def _lay_noise_preset(
    values: dict[str, Any], sources: dict[str, ParameterSource], content: dict[str, Any], path: Path
) -> None:
    """Lay the preset that `[noise]` of a tile file names under its own values."""
    noise = content.get("noise")
    preset = noise.get("preset") if isinstance(noise, dict) else None
    if not isinstance(noise, dict) or preset is None:
        return
    if not isinstance(preset, str):
        raise InputError(f"{path} [noise]: preset must be a name or a path in quotes, not {preset!r}")
    preset_path = _preset_path(path, preset, "noise/presets")
    _merge(values, sources, {"noise": _read_toml(preset_path)}, preset_path, is_preset=True)
    content["noise"] = {key: item for key, item in noise.items() if key != "preset"}


def load_noise_preset(preset: str, folder: str | Path = ".") -> dict[str, Any]:
    """Plain values of a noise preset: of the package by name, or a file ending in .toml in `folder`."""
    values: dict[str, Any] = {}
    path = _preset_path(Path(folder) / "-", preset, "noise/presets")
    _merge(values, {}, _read_toml(path), path, is_preset=True)
    return values


def _preset_path(tile_path: Path, preset: str, folder: str = "presets") -> Path:
    """The preset `preset`: a path ending in .toml is taken from the tile file's folder, a name from the package."""
    if preset.endswith(".toml"):
        named = tile_path.parent / preset
        if not named.is_file() and "\0" not in preset:
            raise InputError(f"{tile_path}: there is no preset file {named}; presets of the package have no .toml")
        return named
    known = preset_names(folder)
    if preset not in known:
        best = difflib.get_close_matches(preset, known, n=1, cutoff=0.6)
        hint = f"did you mean {best[0]!r}? Known" if best else "known"
        raise InputError(
            f"{tile_path}: unknown preset {preset!r}; {hint} are {', '.join(known)}, "
            "or give the path of a preset file (ending in .toml)"
        )
    return Path(str(resources.files("tilemodel") / folder / f"{preset}.toml"))


def _merge(
    values: dict[str, Any],
    sources: dict[str, ParameterSource],
    content: Mapping[str, Any],
    path: Path,
    *,
    is_preset: bool,
    prefix: str = "",
) -> None:
    """Lay the tables of `content` over `values`, noting in `sources` where each leaf came from."""
    kind = content.get("kind")
    kind = kind.get("value") if isinstance(kind, dict) else kind
    if kind is not None and "kind" in values and kind != values["kind"]:
        values.clear()  # another kind of cell or converter: none of the preset's keys for the old one apply
        for key in [key for key in sources if key.startswith(prefix)]:
            del sources[key]
    for key, item in content.items():
        dotted = f"{prefix}{key}"
        if isinstance(item, dict) and "value" not in item:
            table = values.setdefault(key, {})
            if not isinstance(table, dict):
                raise InputError(f"{path} [{dotted}]: expected a value, got a table")
            _merge(table, sources, item, path, is_preset=is_preset, prefix=f"{dotted}.")
            continue
        if isinstance(item, dict):
            values[key], sources[dotted] = _sourced_value(item, dotted, path)
        elif is_preset and key not in ("kind", "name", "engine") and not dotted.startswith("simulator."):
            raise InputError(f"{path} [{dotted}]: a preset's value needs a table with value, unit, kind and source")
        else:
            values[key] = item
            if not is_preset:
                sources[dotted] = ParameterSource(kind="tile file", source=path.name)


def _sourced_value(item: Mapping[str, Any], dotted: str, path: Path) -> tuple[Any, ParameterSource]:
    unknown = set(item) - _SOURCED_KEYS
    if unknown:
        raise InputError(f"{path} [{dotted}]: unknown key {sorted(unknown)[0]!r}; known are {sorted(_SOURCED_KEYS)}")
    suffix = _unit_suffix(dotted)
    unit = item.get("unit", "")
    if unit != suffix:
        raise InputError(
            f"{path} [{dotted}]: unit = {unit!r} does not agree with the key's name, which says {suffix!r}"
        )
    try:
        source = ParameterSource.model_validate({k: v for k, v in item.items() if k not in ("value", "unit")})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path} [{dotted}]: {first['loc'][0]}: {first['msg']}") from None
    return item["value"], source


def _unit_suffix(dotted: str) -> str:
    """The unit word at the end of a key's name; '' for a pure number or word."""
    name = dotted.rsplit(".", 1)[-1]
    matches = [unit for unit in _UNITS if name.endswith(f"_{unit}")]
    return max(matches, key=len, default="")


def _explain(item: Any, root: type[BaseModel], where: str, remedy: str) -> str:
    """One line for one validation error: file, table, key, what is wrong, what to do."""
    names = [str(part) for part in item["loc"]]
    table, known = _locate(names[:-1], root)
    key = names[-1] if names else ""
    place = f"{where} [{table}]" if table else where
    if item["type"] == "extra_forbidden":
        best = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean {best[0]!r}?" if best else f"known keys are {', '.join(sorted(known))}"
        return f"{place}: unknown key {key!r}; {hint}"
    if item["type"] == "missing" and key in _tables(root):
        return f"{where}: table [{key}] is missing; {remedy}"
    if item["type"] == "missing":
        return f"{place}: key {key!r} is missing; {remedy}"
    if item["type"] in ("model_type", "model_attributes_type"):
        return f"{place}: {key or 'the file'} must be a table, got {item['input']!r}"
    if item["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return f"{where} [{_locate(names, root)[0]}]: {_explain_kind(item['ctx'])}"
    message = item["msg"].removeprefix("Value error, ")
    given = "" if isinstance(item["input"], dict) else f", got {item['input']!r}"
    return f"{place}: {key}: {message}{given}" if key else f"{where}: {message}"


def _explain_kind(context: Mapping[str, Any]) -> str:
    """What is wrong with the key `kind`, and which there are."""
    known = context.get("expected_tags") or "the known kinds"
    if "tag" not in context:
        return f"needs kind = one of {known}"
    best = difflib.get_close_matches(str(context["tag"]), known.replace("'", "").split(", "), n=1, cutoff=0.6)
    hint = f"; did you mean {best[0]!r}?" if best else ""
    return f"needs kind = one of {known}, got {context['tag']!r}{hint}"


def _tables(root: type[BaseModel]) -> set[str]:
    scalars = (str, int, float)
    return {name for name, field in root.model_fields.items() if field.annotation not in scalars}


def _locate(names: list[str], root: type[BaseModel]) -> tuple[str, list[str]]:
    """The dotted name of the table that an error lies in, and the keys that it may hold.

    The location of an error inside a union holds the union's tag, which is no table of the file.
    """
    section: Any = root
    table: list[str] = []
    for name in names:
        fields = getattr(section, "model_fields", {})
        if name in fields:
            table.append(name)
            section = _without_none(fields[name].annotation)
        else:
            section = next((kind for kind in _union_members(section) if _tag(kind) == name), section)
    fields = getattr(section, "model_fields", {})
    return ".".join(table), [field for field in fields if field != "sources"]


def _without_none(annotation: Any) -> Any:
    """The table's own type, where the table may be absent."""
    members = [kind for kind in _union_members(annotation) if kind is not type(None)]
    return members[0] if len(members) == 1 else annotation


def _union_members(annotation: Any) -> tuple[Any, ...]:
    members: tuple[Any, ...] = getattr(annotation, "__args__", ())
    return members


def _tag(section: Any) -> str | None:
    kind = getattr(section, "model_fields", {}).get("kind")
    return kind.annotation.__args__[0] if kind is not None else None
