"""Drivers: one voltage source a rail or word line, a trapezoidal pulse of n_tick ticks."""

from collections.abc import Iterator

from spice_netlists.language import Language
from spice_netlists.nodes import rail_names, rails_resist, word_line_names
from tilemodel.config.drive import DriveConfig
from tilemodel.config.layout import CellLayout
from tilemodel.config.passes import RowPulses
from tilemodel.config.tile import TileConfig

__all__ = ["rail_drivers", "word_line_drivers"]


def rail_drivers(language: Language, tile: TileConfig, cells: CellLayout, pulses: RowPulses) -> Iterator[str]:
    """Sources of the rails: one a row, or one for all rows where rails neither swing nor resist."""
    at = "d" if rails_resist(tile) else ""
    for rail, rest, swing in zip(rail_names(tile), cells.rest_volt, cells.swing_volt, strict=True):
        yield language.comment(f"Rails {rail}, at rest at {rest!r} V")
        if swing == 0 and not rails_resist(tile):
            yield language.dc_source(f"V{rail}", rail, rest)
            continue
        for row, (n, height) in enumerate(zip(pulses.n_tick.tolist(), pulses.height.tolist(), strict=True)):
            yield _pulse(
                language,
                tile.drive,
                f"V{rail}{row}",
                f"{at}{rail}{row}",
                n if swing else 0,
                rest,
                rest + swing * height,
            )


def word_line_drivers(
    language: Language, tile: TileConfig, cells: CellLayout, pulses: RowPulses, v_gate_volt: float
) -> Iterator[str]:
    """Sources of the word lines, from 0 V to the gate voltage while a pulse of their sign lasts; none if not gated."""
    if not tile.is_gated:
        return
    for word, sign in zip(word_line_names(tile), cells.gate_sign, strict=True):
        yield language.comment(f"Word lines {word}<row>")
        for row, (n, height) in enumerate(zip(pulses.n_tick.tolist(), pulses.height.tolist(), strict=True)):
            on = n if sign * height > 0 else 0
            yield _pulse(language, tile.drive, f"V{word}{row}", f"{word}{row}", on, 0.0, v_gate_volt)


def _pulse(
    language: Language, drive: DriveConfig, name: str, node: str, n_tick: int, rest_volt: float, active_volt: float
) -> str:
    if n_tick == 0 or active_volt == rest_volt:
        return language.dc_source(name, node, rest_volt)
    rise, edge = drive.t_start_second, drive.t_edge_second
    fall = rise + n_tick * drive.t_lsb_second
    corners = [(0.0, rest_volt), (rise, rest_volt), (rise + edge, active_volt)]
    if fall > rise + edge:  # else a triangle: times must increase
        corners.append((fall, active_volt))
    return language.pwl_source(name, node, [*corners, (fall + edge, rest_volt)])
