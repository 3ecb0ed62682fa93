"""A configuration as a tile file in which every value says where it came from."""

from collections.abc import Iterator, Mapping
from typing import Any

from tilemodel.config.cell import PassiveCell, RailPairCell
from tilemodel.config.errors import InputError
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.tile import TileConfig
from tilemodel.imports.configuration import Configuration

__all__ = ["tile_file_text"]

_COUNT_MAX = 2**40  # an oscillator's counter without an end


def tile_file_text(configuration: Configuration, base: TileConfig, name: str) -> str:
    """A whole tile file (TOML): what `configuration` holds, and the rest, marked line by line, from `base`.

    Raises `InputError` for a base whose cells are gated: the simulators' cells always conduct.
    """
    values = base.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    given = _given(configuration, base)
    for table, entries in given.items():
        kept = {} if table == "adc" else values[table]  # another converter has other keys
        values[table] = {**kept, **entries}
    values["drive"].pop("split_low_bits", None)
    values["name"] = name
    tile_from_mapping(values, where="the imported tile")
    return "\n".join(_lines(values, given, configuration, base)) + "\n"


def _given(configuration: Configuration, base: TileConfig) -> dict[str, dict[str, Any]]:
    """What the configuration holds, by table."""
    cell = base.cell
    if not isinstance(cell, RailPairCell | PassiveCell):
        raise InputError(f"tile {base.name}: its cells are {cell.kind}; the base must be a rail_pair or passive tile")
    drive: dict[str, Any] = {"coding": "conventional", "sign": "polarity"}
    if configuration.input_bits is not None:
        drive["input_bits"] = configuration.input_bits
    given: dict[str, dict[str, Any]] = {
        "cell": {"kind": "rail_pair" if configuration.one_line else "passive"},
        "conductance": {
            "g_min_siemens": configuration.g_min_siemens,
            "g_max_siemens": configuration.g_max_siemens,
        },
        "wires": {
            "r_bit_line_ohm": configuration.r_bit_line_ohm,
            "r_row_ohm": configuration.r_row_ohm,
            "r_terminal_ohm": configuration.r_terminal_ohm,
            "r_driver_ohm": 0.0,
            "temperature_coefficient_per_kelvin": 0.0,
        },
        "conditions": {"wire_resistance_factor": 1.0},
        "array": {"read_out_end": "alternating" if configuration.both_ends else "south"},
        "drive": drive,
        "adc": _converter(configuration, base),
    }
    offset = configuration.clamp_offset_volt
    given["read_out"] = {"v_clamp_volt": cell.v_common_volt + (offset or 0.0), "circuit": {"kind": "ideal"}}
    return given


def _converter(configuration: Configuration, base: TileConfig) -> dict[str, Any]:
    quantizer = configuration.converter
    if quantizer is None:
        return {"kind": "ideal"}
    bits = configuration.input_bits or base.drive.input_bits
    longest = (2 ** (bits - 1) - 1) * base.drive.t_lsb_second
    coulomb = configuration.g_max_siemens * base.v_read_volt * longest
    if quantizer.rounding == "toward_zero":
        per_coulomb = 1 / (quantizer.step * coulomb)
        return {"kind": "cco", "f_hertz_per_ampere": per_coulomb, "phase_cycle": 0.0, "count_max": _COUNT_MAX}
    return {
        "kind": "linear",
        "adc_bits": (quantizer.n_step + 2).bit_length() - 1,
        "charge_full_scale_coulomb": quantizer.highest * coulomb,
        "gain": 1.0,
        "offset_lsb": 0.0,
        "inl_lsb": [],
    }


def _lines(
    values: Mapping[str, Any], given: Mapping[str, Any], configuration: Configuration, base: TileConfig
) -> Iterator[str]:
    yield f"# Imported from a configuration of {configuration.source}."
    yield f"# Values marked 'assumed' are not in it: they are those of tile {base.name}."
    for default in configuration.defaults:
        yield f"# Not in the file, and so {configuration.source}'s default: {default}"
    if configuration.one_line and configuration.half_last_segment:
        yield "# Its bit lines end half a segment behind the last cell; these end a whole one behind it."
    if not configuration.one_line and configuration.r_row_ohm > 0:
        yield "# Its G+ and G- lie in arrays with row wires of their own; here they share them."
    if configuration.stretch_weights:
        yield "# It stretches the largest weight of a matrix to 1; here weights are taken as they are."
    for name, sigma in (("programming", configuration.programming_sigma), ("read", configuration.read_sigma)):
        if sigma > 0:
            yield f"# Left out: {name} noise of {sigma:g} of g_max, the same for all conductances."
    yield f'name = "{values["name"]}"'
    for table, entries in values.items():
        if isinstance(entries, dict):
            yield from _table(table, entries, given.get(table, {}))


def _table(name: str, entries: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield f"[{name}]"
    for key, value in entries.items():
        if not isinstance(value, dict):
            yield f"{key} = {_toml(value)}" + ("" if key in given else "  # assumed")
    for key, value in entries.items():
        if isinstance(value, dict):
            inner = given.get(key, {})
            yield from _table(f"{name}.{key}", value, inner if isinstance(inner, dict) else {})


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
