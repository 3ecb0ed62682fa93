"""The array's body as netlist lines: cells, bit-line segments, clamps. Plain text: there are up to a million."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.operands import Conductances, line_conductances, lines_read_north
from tilemodel.config.tile import TileConfig

__all__ = ["clamps", "gated_cells", "rail_pair_cells", "wires"]


def rail_pair_cells(tile: TileConfig, conductances: Conductances, lines: Sequence[int]) -> Iterator[str]:
    """Two resistors a cell, from the row's rails to the bit line; a conductance of zero leaves its resistor out."""
    for line in lines:
        yield f"* Cells of bit line {line}"
        node = bit_line_nodes(tile, line)
        for sign, g in (("p", conductances.g_plus[:, line]), ("m", conductances.g_minus[:, line])):
            rows, resistances = _resistances(g)
            for row, r in zip(rows, resistances, strict=True):
                yield f"Rg{sign}{line}_{row} r{sign}{row} {node[row]} {r!r}"


def gated_cells(tile: TileConfig, conductances: Conductances, lines: Sequence[int], cell_name: str) -> Iterator[str]:
    """One cell sub-circuit a row and line; a conductance of zero leaves the cell out."""
    g_line = line_conductances(tile, conductances)
    for line in lines:
        yield f"* Cells of bit line {line} (column {line // 2}, G{'-' if line % 2 else '+'})"
        node = bit_line_nodes(tile, line)
        for row, g in enumerate(g_line[:, line].tolist()):
            if g > 0:
                yield f"X{line}_{row} {node[row]} wl{row} sl {cell_name} g={g!r}"


def wires(tile: TileConfig, lines: Sequence[int]) -> Iterator[str]:
    """Segments and capacitors of each bit line."""
    north = lines_read_north(tile)
    r, c = tile.wires.r_bit_line_ohm, tile.wires.c_bit_line_farad
    if r == 0:  # cells and capacitors sit at the clamp, which holds the capacitors' charge
        return
    for line in lines:
        node = bit_line_nodes(tile, line)
        toward_clamp = [f"c{line}", *node[:-1]] if north[line] else [*node[1:], f"c{line}"]
        yield f"* Bit line {line}, read {'north' if north[line] else 'south'}"
        for row, (here, there) in enumerate(zip(node, toward_clamp, strict=True)):
            yield f"Rw{line}_{row} {here} {there} {r!r}"
        if c > 0:
            for row, here in enumerate(node):
                yield f"Cw{line}_{row} {here} 0 {c!r}"


def clamps(tile: TileConfig, lines: Sequence[int]) -> Iterator[str]:
    """The voltage source that clamps and senses each bit line."""
    yield "* Clamps"
    for line in lines:
        yield f"Vclamp{line} c{line} 0 DC {tile.read_out.v_clamp_volt!r}"


def bit_line_nodes(tile: TileConfig, line: int) -> list[str]:
    """Node of the bit line at each row; all of them the clamp's if the wire has no resistance."""
    if tile.wires.r_bit_line_ohm == 0:
        return [f"c{line}"] * tile.array.n_row
    return [f"b{line}_{row}" for row in range(tile.array.n_row)]


def _resistances(g: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    rows = np.flatnonzero(g > 0)
    return rows.tolist(), (1.0 / g[rows]).tolist()
