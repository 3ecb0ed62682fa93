"""Names of a tile's nodes and rails, the same in every netlist.

`b<line>_<row>` bit line at a cell, `e<line>` behind its last segment, `c<line>` at its read-out; `wl<row>` word line
(`wlp`, `wln` in a 2T1R tile); rails by kind: `rp`, `rm` (feeding G+, G-), `qp`, `qm` (the less significant pair),
`row`, `sl` (source line), `slp`, `sln` (upper and lower source line). A rail with resistance has the nodes
`<rail><row>_<line>` and its driver's, `d<rail><row>`. Lines and rows count from 0, row 0 at the north end.
"""

from collections.abc import Iterable

from tilemodel.config.cell import GatedCell, GatedPairCell, PassiveCell
from tilemodel.config.tile import TileConfig

__all__ = ["bit_line_nodes", "line_end", "rail_names", "rail_node", "rail_nodes", "rails_resist", "word_line_names"]


def rail_names(tile: TileConfig) -> tuple[str, ...]:
    """One name a rail, in the order of `CellLayout`."""
    if isinstance(tile.cell, GatedCell):
        return ("sl",)
    if isinstance(tile.cell, GatedPairCell):
        return ("slp", "sln")
    if isinstance(tile.cell, PassiveCell):
        return ("row",)
    return ("rp", "rm") if tile.cell.kind == "rail_pair" else ("rp", "rm", "qp", "qm")


def word_line_names(tile: TileConfig) -> tuple[str, ...]:
    """One name for each word line of a row; none where cells have no access device."""
    if isinstance(tile.cell, GatedCell):
        return ("wl",)
    return ("wlp", "wln") if isinstance(tile.cell, GatedPairCell) else ()


def rails_resist(tile: TileConfig) -> bool:
    """Whether rows have wires or drivers with resistance, so that columns act on each other."""
    return tile.wires.r_row_ohm > 0 or tile.wires.r_driver_ohm > 0


def rail_node(tile: TileConfig, rail: str, row: int, line: int) -> str:
    """Where the cell of bit line `line` hangs on a rail of row `row`."""
    return rail_nodes(tile, rail, (row,), line)[0]


def rail_nodes(tile: TileConfig, rail: str, rows: Iterable[int], line: int) -> list[str]:
    """Where the cells of bit line `line` hang on a rail of `rows`."""
    if tile.wires.r_row_ohm > 0:
        return [f"{rail}{row}_{line}" for row in rows]
    if tile.is_gated and not rails_resist(tile):
        return [rail for _ in rows]
    return [f"{rail}{row}" for row in rows]


def line_end(tile: TileConfig, line: int) -> str:
    """The node behind the last segment of a bit line: its read-out's, unless a terminal resistance lies between."""
    return f"e{line}" if tile.wires.r_terminal_ohm > 0 else f"c{line}"


def bit_line_nodes(tile: TileConfig, line: int) -> list[str]:
    """Node of the bit line at each row; all of them the line's end if the wire has no resistance."""
    if tile.wires.r_bit_line_ohm == 0:
        return [line_end(tile, line)] * tile.array.n_row
    return [f"b{line}_{row}" for row in range(tile.array.n_row)]
