"""Values of the tile file that a fit may vary: which a tile has, their limits, and those of each line's converter."""

from collections.abc import Iterable
from typing import Any

from calibration.names import stem
from tilemodel.config.adc import LINE_KEYS, LinearAdc
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.numbers import key_path, number_at
from tilemodel.config.tile import TileConfig

__all__ = ["INL_KNOTS", "TILE_KEYS", "is_key", "keys_of", "members", "with_lines"]

INL_KNOTS = 5
"""Of a line's INL, where neither the tile nor the user says how many."""

# Values that the model takes from the tile file, with typical sizes and limits; where the tile has them
TILE_KEYS = {
    "wires.r_terminal_ohm": (10.0, 0.0, 1e9),
    "wires.r_driver_ohm": (10.0, 0.0, 1e9),
    "wires.c_bit_line_farad": (1e-15, 0.0, 1e-6),
    "read_out.circuit.r_clamp_ohm": (10.0, 0.0, 1e9),
    "read_out.circuit.ratio": (0.1, 1e-6, 1e6),
    "read_out.circuit.unity_gain_hertz": (1e9, 1e3, 1e15),
    "adc.gain": (0.1, 1e-3, 1e3),
    "adc.offset_lsb": (1.0, -1e9, 1e9),
    "adc.f_hertz_per_ampere": (1e13, 1.0, 1e24),
    "adc.i_half_ampere": (1e-4, 1e-15, 1e6),
    "adc.gain_line": (0.1, 1e-3, 1e3),
    "adc.offset_line_lsb": (1.0, -1e9, 1e9),
    "adc.inl_line_lsb": (1.0, -1e9, 1e9),
}
_INL = "adc.inl_line_lsb"
# Lists of lines, and how many places lead to a number
_LINE_DEPTH = {"adc.gain_line": 1, "adc.offset_line_lsb": 1, _INL: 2}


def keys_of(tile: TileConfig) -> list[str]:
    """The keys of `TILE_KEYS` that `tile` has; lists of its lines without places."""
    lines = {f"adc.{key}" for key in LINE_KEYS if key in type(tile.adc).model_fields}
    return [key for key in TILE_KEYS if key in lines or number_at(tile, key) is not None]


def is_key(tile: TileConfig, name: str) -> bool:
    """Whether `name` is a key of `tile`, or one with places in a list of its lines."""
    listed = key_path(name) is not None and stem(name) in _LINE_DEPTH
    return name in keys_of(tile) or (listed and stem(name) in keys_of(tile))


def with_lines(tile: TileConfig, names: Iterable[str], inl_knots: int | None) -> TileConfig:
    """`tile` with values for each line, as all lines have them, of the lists that `names` speak of.

    `inl_knots`: how many values an INL has where the tile has none (default: `INL_KNOTS`).
    """
    stems = {stem(name) for name in names} & set(keys_of(tile))
    adc, n_line = tile.adc, line_count(tile)
    new: dict[str, Any] = {}
    for key, alike in (("gain_line", 1.0), ("offset_line_lsb", 0.0)):
        if f"adc.{key}" in stems and not getattr(adc, key):
            new[key] = (alike,) * n_line
    if _INL in stems and isinstance(adc, LinearAdc):
        present = adc.inl_lsb or next(iter(adc.inl_line_lsb), ())
        if present and inl_knots not in (None, len(present)):
            raise InputError(f"calibrate: the INL of tile {tile.name} has {len(present)} knots; leave --inl-knots out")
        if len(present or range(inl_knots or INL_KNOTS)) < 3:
            raise InputError("calibrate: an INL needs 3 knots at least: both ends are held")
        if not adc.inl_line_lsb:
            new |= {"inl_lsb": (), "inl_line_lsb": (present or (0.0,) * (inl_knots or INL_KNOTS),) * n_line}
    return tile.model_copy(update={"adc": adc.model_copy(update=new)}) if new else tile


def members(tile: TileConfig, name: str) -> tuple[str, ...]:
    """The single values that `name` stands for: itself, or all of a list; `tile` comes from `with_lines`.

    Ends of an INL are none: gain and offset stand for them. Raises `InputError` for them and for a line too many.
    """
    if stem(name) not in _LINE_DEPTH or not is_key(tile, name):
        return (name,)
    depth = _LINE_DEPTH[stem(name)]
    places = [int(place) for place in name.replace("]", "").split("[")[1:]]
    n_line = line_count(tile)
    if len(places) > depth or (places and places[0] >= n_line):
        raise InputError(f"calibrate: {name}: tile {tile.name} has {n_line} bit lines, 0 to {n_line - 1}")
    lines = places[:1] or range(n_line)
    if depth == 1:
        return tuple(f"{stem(name)}[{line}]" for line in lines)
    assert isinstance(tile.adc, LinearAdc)
    last = len(tile.adc.inl_line_lsb[0]) - 1
    if places[1:] and not 0 < places[1] < last:
        raise InputError(
            f"calibrate: {name}: only the knots 1 to {last - 1} are free; what the ends would do, gain and offset do"
        )
    return tuple(f"{_INL}[{line}][{knot}]" for line in lines for knot in (places[1:] or range(1, last)))
