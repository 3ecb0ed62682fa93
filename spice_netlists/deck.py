"""Deck: a netlist for ngspice as text, with what is needed to run it and to read its result.

Nodes: `b<line>_<row>` bit line at a cell, `c<line>` at its clamp, `wl<row>` word line, `sl` source line,
`rp<row>` and `rm<row>` source rails of G+ and G-. Lines and rows count from 0, row 0 at the north end.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spice_netlists.array import clamps, gated_cells, rail_pair_cells, wires
from spice_netlists.cells import CellCircuit, standard_cell
from spice_netlists.drive import rail_drivers, word_line_drivers
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, check_conductances, check_ticks, line_count
from tilemodel.config.tile import RailPairCell, SimulatorConfig, TileConfig

__all__ = ["Circuit", "Deck", "Include", "build_deck", "tile_circuit_lines"]


@dataclass(frozen=True, kw_only=True)
class Include:
    """A model file that a deck reads by `name` from its own folder."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Deck:
    """One circuit simulation: netlist, the files it includes, and how its output is read."""

    text: str
    includes: tuple[Include, ...]
    lines: tuple[int, ...]
    """Bit lines in the deck; line n is sensed by the source `Vclamp<n>`."""
    charge_sign: int
    """+1 or -1: sign of the charge for current from the bit line into the clamp."""
    t_stop_second: float

    @property
    def sha256(self) -> str:
        """Hash of the text and of the included files' contents [hexadecimal]."""
        content = "\n".join([self.text, *(include.sha256 for include in self.includes)])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def sense_vectors(self) -> tuple[str, ...]:
        """Names of the saved clamp currents, one a bit line."""
        return tuple(f"i(vclamp{line})" for line in self.lines)


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A tile's netlist lines in groups: what a deck, or another writer, puts together."""

    includes: tuple[Include, ...]
    body: list[str]
    """Sub-circuits, cells and wires."""
    sources: list[str]
    """Row drivers, source line and clamps: `V<name> <node> 0 <value>`, and comments."""
    lines: tuple[int, ...]


def build_deck(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    columns: Sequence[int] | None = None,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
) -> Deck:
    """The deck of one input vector `ticks` [n_row].

    `columns` limits the deck to some columns (they don't interact where the row wires are ideal, so this is
    exact); `cell` replaces the cell of a `gated_1t1r` tile by a sub-circuit of the user's; `simulator`
    replaces the tile's settings. Raises `InputError` for operands that do not fit the tile and for a cell
    on a `rail_pair` tile.
    """
    circuit = tile_circuit_lines(tile, conductances, ticks, columns=columns, cell=cell)
    text = "\n".join(
        [
            _header(tile, conductances, circuit.lines),
            *(f'.include "{include.name}"' for include in circuit.includes),
            *circuit.sources,
            *circuit.body,
            _analysis(tile, simulator or tile.simulator, circuit.lines),
        ]
    )
    return Deck(
        text=text,
        includes=circuit.includes,
        lines=circuit.lines,
        charge_sign=1 if isinstance(tile.cell, RailPairCell) else -1,
        t_stop_second=tile.t_window_second,
    )


def tile_circuit_lines(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    columns: Sequence[int] | None = None,
    cell: CellCircuit | None = None,
) -> Circuit:
    """The netlist lines of a tile with one input vector; arguments and errors as `build_deck`."""
    check_conductances(tile, conductances)
    check_ticks(tile, np.atleast_2d(ticks))
    lines = _lines_of(tile, columns)
    if isinstance(tile.cell, RailPairCell):
        if cell is not None:
            raise InputError(f"tile {tile.name}: a cell circuit replaces the cell of gated_1t1r tiles only")
        return Circuit(
            includes=(),
            body=[*rail_pair_cells(tile, conductances, lines), *wires(tile, lines)],
            sources=[*rail_drivers(tile.pwm, tile.cell, ticks), *clamps(tile, lines)],
            lines=lines,
        )
    cell = cell or standard_cell(tile.cell.access)
    return Circuit(
        includes=tuple(_include(path) for path in cell.model_files),
        body=[
            "* Cell: pins bit line, word line, source line; g = conductance of the memory element [siemens]",
            cell.text,
            *gated_cells(tile, conductances, lines, cell.name),
            *wires(tile, lines),
        ],
        sources=[
            *word_line_drivers(tile.pwm, ticks, cell.v_gate_volt),
            "* Source line, common to all cells",
            f"Vsl sl 0 DC {tile.cell.v_source_line_volt!r}",
            *clamps(tile, lines),
        ],
        lines=lines,
    )


def _lines_of(tile: TileConfig, columns: Sequence[int] | None) -> tuple[int, ...]:
    chosen = range(tile.array.n_col) if columns is None else columns
    outside = [column for column in chosen if not 0 <= column < tile.array.n_col]
    if outside:
        raise InputError(f"columns: {outside[0]} is none of the tile's {tile.array.n_col} columns")
    per_column = line_count(tile) // tile.array.n_col
    return tuple(column * per_column + k for column in chosen for k in range(per_column))


def _include(path: Path) -> Include:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the cell's model file cannot be read ({error.strerror})") from None
    return Include(name=path.name, path=path.absolute(), sha256=hashlib.sha256(content).hexdigest())


def _header(tile: TileConfig, conductances: Conductances, lines: Sequence[int]) -> str:
    array = tile.array
    return (
        f"* tilemodel: tile {tile.name}, {tile.cell.kind}, {array.n_row} rows, {len(lines)} bit lines, "
        f"read {array.read_out_end}\n"
        f"* tile sha256 {tile.sha256()}\n"
        f"* conductances sha256 {conductances.sha256()}\n"
        "* Run: `ngspice -b <this file>` prints the integral of i(vclamp<n>) as charge<n>;\n"
        "*      `ngspice -b -r out.raw <this file>` writes the waveforms.\n"
        "* The charge of bit line n is that integral, "
        + ("as it is." if isinstance(tile.cell, RailPairCell) else "negated.")
    )


def _analysis(tile: TileConfig, simulator: SimulatorConfig, lines: Sequence[int]) -> str:
    step = simulator.max_step_per_lsb * tile.pwm.t_lsb_second
    options = (
        f"reltol={simulator.reltol!r} trtol={simulator.trtol!r} abstol={simulator.abstol_ampere!r} "
        f"vntol={simulator.vntol_volt!r} chgtol={simulator.chgtol_coulomb!r}"
    )
    measured = "\n".join(f".measure tran charge{line} INTEG i(Vclamp{line})" for line in lines)
    saved = "\n+ ".join(f"i(Vclamp{line})" for line in lines)
    return (
        f"* Analysis\n.options {options}\n.save {saved}\n"
        f".tran {step!r} {tile.t_window_second!r} 0 {step!r}\n{measured}\n.end\n"
    )
