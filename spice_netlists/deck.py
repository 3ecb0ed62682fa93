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

from spice_netlists.array import gated_cells, rail_pair_cells, wires_and_clamps
from spice_netlists.cells import CellCircuit, standard_cell
from spice_netlists.drive import rail_drivers, word_line_drivers
from tilemodel.config.operands import Conductances, line_count
from tilemodel.config.tile import RailPairCell, SimulatorConfig, TileConfig

__all__ = ["Deck", "Include", "build_deck"]


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


def build_deck(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    columns: Sequence[int] | None = None,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
) -> Deck:
    """The deck of one input vector.

    `ticks` is [n_row]; `columns` limits the deck to some columns (they don't interact where the row wires
    are ideal, so this is exact); `cell` replaces the cell of a `gated_1t1r` tile by a sub-circuit of the
    user's; `simulator` replaces the tile's settings. Raises `InputError` where shapes do not match.
    """
    simulator = simulator or tile.simulator
    chosen = range(tile.array.n_col) if columns is None else columns
    per_column = line_count(tile) // tile.array.n_col
    lines = tuple(column * per_column + k for column in chosen for k in range(per_column))
    if isinstance(tile.cell, RailPairCell):
        includes: tuple[Include, ...] = ()
        body = [
            *rail_drivers(tile.pwm, tile.cell, ticks),
            *rail_pair_cells(tile, conductances, lines),
        ]
    else:
        circuit = cell or standard_cell(tile.cell.access)
        includes = tuple(_include(path) for path in circuit.model_files)
        body = [
            *(f'.include "{include.name}"' for include in includes),
            "* Cell: pins bit line, word line, source line; g = conductance of the memory element [siemens]",
            circuit.text,
            *word_line_drivers(tile.pwm, ticks, circuit.v_gate_volt),
            f"* Source line, common to all cells\nVsl sl 0 DC {tile.cell.v_source_line_volt!r}",
            *gated_cells(tile, conductances, lines, circuit.name),
        ]
    text = "\n".join(
        [
            _header(tile, conductances, lines),
            *body,
            *wires_and_clamps(tile, lines),
            _analysis(tile, simulator, lines),
        ]
    )
    return Deck(
        text=text,
        includes=includes,
        lines=lines,
        charge_sign=1 if isinstance(tile.cell, RailPairCell) else -1,
        t_stop_second=tile.t_window_second,
    )


def _include(path: Path) -> Include:
    return Include(name=path.name, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def _header(tile: TileConfig, conductances: Conductances, lines: Sequence[int]) -> str:
    array = tile.array
    return (
        f"* tilemodel: tile {tile.name}, {tile.cell.kind}, {array.n_row} rows, {len(lines)} bit lines, "
        f"read {array.read_out_end}\n"
        f"* tile sha256 {tile.sha256()}\n"
        f"* conductances sha256 {conductances.sha256()}\n"
        "* The charge of bit line n is the integral of i(vclamp<n>) over the whole run, "
        + ("as it is." if isinstance(tile.cell, RailPairCell) else "negated.")
    )


def _analysis(tile: TileConfig, simulator: SimulatorConfig, lines: Sequence[int]) -> str:
    step = simulator.max_step_per_lsb * tile.pwm.t_lsb_second
    options = (
        f"reltol={simulator.reltol!r} trtol={simulator.trtol!r} abstol={simulator.abstol_ampere!r} "
        f"vntol={simulator.vntol_volt!r} chgtol={simulator.chgtol_coulomb!r}"
    )
    saved = "\n+ ".join(f"i(Vclamp{line})" for line in lines)
    return f"* Analysis\n.options {options}\n.save {saved}\n.tran {step!r} {tile.t_window_second!r} 0 {step!r}\n.end\n"
