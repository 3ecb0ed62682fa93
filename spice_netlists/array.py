"""The array's body as netlist lines: cells, bit lines, rails. Plain text: there are up to a million."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat

import numpy as np

from spice_netlists.language import Language
from spice_netlists.nodes import (
    bit_line_nodes,
    line_end,
    rail_names,
    rail_node,
    rail_nodes,
    rails_resist,
    word_line_names,
)
from tilemodel.config.layout import CellLayout, lines_read_north
from tilemodel.config.tile import TileConfig

__all__ = ["GatedCellPins", "bit_lines", "driven_cells", "gated_cells", "rails"]


@dataclass(frozen=True, slots=True)
class GatedCellPins:
    """Where one gated cell hangs."""

    line: int
    row: int
    g_siemens: float
    bit_line: str
    words: list[str]
    rails: list[str]


def driven_cells(
    language: Language, tile: TileConfig, cells: CellLayout, lines: Sequence[int], memory: str | None
) -> Iterator[str]:
    """Memory elements between rails and bit lines: resistors, or instances of `memory`; a conductance of 0 has none."""
    for line in lines:
        yield language.comment(f"Cells of bit line {line}")
        node = bit_line_nodes(tile, line)
        for rail, g_rail in zip(rail_names(tile), cells.g_siemens, strict=True):
            g = g_rail[:, line]
            rows = np.flatnonzero(g > 0)
            at_rail = rail_nodes(tile, rail, rows.tolist(), line)
            if memory is None:
                at_line, ohm = [node[row] for row in rows.tolist()], (1.0 / g[rows]).tolist()
                yield from language.resistors(f"Rg{rail}{line}_", rows.tolist(), at_rail, at_line, ohm)
            else:
                for row, a, siemens in zip(rows.tolist(), at_rail, g[rows].tolist(), strict=True):
                    yield language.instance(f"Xg{rail}{line}_{row}", (a, node[row]), memory, {"g": siemens})


def gated_cells(tile: TileConfig, cells: CellLayout, lines: Sequence[int]) -> Iterator[GatedCellPins]:
    """Every cell of a gated tile, bit line by bit line. A conductance of 0 leaves the cell out."""
    names, words = rail_names(tile), word_line_names(tile)
    for line in lines:
        node = bit_line_nodes(tile, line)
        at_rails = list(zip(*(rail_nodes(tile, rail, range(tile.array.n_row), line) for rail in names), strict=True))
        for row, g in enumerate(cells.g_siemens[0, :, line].tolist()):
            if g > 0:
                yield GatedCellPins(
                    line=line,
                    row=row,
                    g_siemens=g,
                    bit_line=node[row],
                    words=[f"{word}{row}" for word in words],
                    rails=list(at_rails[row]),
                )


def bit_lines(language: Language, tile: TileConfig, lines: Sequence[int]) -> Iterator[str]:
    """Segments, capacitors and terminal resistance of each bit line."""
    north = lines_read_north(tile)
    wires = tile.wires_in_use
    r, c = wires.r_bit_line_ohm, wires.c_bit_line_farad
    for line in lines:
        end = line_end(tile, line)
        node = bit_line_nodes(tile, line)
        toward_clamp = [end, *node[:-1]] if north[line] else [*node[1:], end]
        yield language.comment(f"Bit line {line}, read {'north' if north[line] else 'south'}")
        if r > 0:
            yield from language.resistors(f"Rw{line}_", range(len(node)), node, toward_clamp, repeat(r))
            if c > 0:
                yield from [language.capacitor(f"Cw{line}_{row}", here, "0", c) for row, here in enumerate(node)]
        elif c > 0:
            yield language.capacitor(f"Cw{line}", end, "0", c * len(node))
        if wires.r_terminal_ohm > 0:
            yield language.resistor(f"Rt{line}", end, f"c{line}", wires.r_terminal_ohm)


def rails(language: Language, tile: TileConfig, lines: Sequence[int]) -> Iterator[str]:
    """Drivers' resistances, segments and capacitors of the rails, between the drivers' nodes and the cells'."""
    if not rails_resist(tile):
        return
    wires = tile.wires_in_use
    for rail in rail_names(tile):
        yield language.comment(f"Row conductors {rail}<row>, driven {wires.row_driven_end}")
        for row in range(tile.array.n_row):
            nodes = [rail_node(tile, rail, row, line) for line in lines]
            yield from _rail(language, f"{rail}{row}", nodes, tile)


def _rail(language: Language, name: str, nodes: list[str], tile: TileConfig) -> Iterator[str]:
    wires = tile.wires_in_use
    ends = {"west": ("w",), "east": ("e",), "both": ("w", "e")}[wires.row_driven_end]
    for side in ends:
        feed = nodes[0] if side == "w" else nodes[-1]
        if wires.r_row_ohm > 0:
            inner = f"d{name}" if wires.r_driver_ohm == 0 else f"s{side}{name}"
            yield language.resistor(f"Rs{side}{name}", inner, feed, wires.r_row_ohm)
            feed = inner
        if wires.r_driver_ohm > 0:
            yield language.resistor(f"Rd{side}{name}", f"d{name}", feed, wires.r_driver_ohm)
    if wires.r_row_ohm > 0:
        for column, (left, right) in enumerate(pairwise(nodes)):
            yield language.resistor(f"Rs{name}_{column}", left, right, wires.r_row_ohm)
    if wires.c_row_farad > 0:
        distinct = nodes if wires.r_row_ohm > 0 else nodes[:1]
        share = wires.c_row_farad * len(nodes) / len(distinct)
        for column, node in enumerate(distinct):
            yield language.capacitor(f"Cs{name}_{column}", node, "0", share)
