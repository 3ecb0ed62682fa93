"""Deck: a netlist for ngspice as text, with what is needed to run it and to read its result.

Names of nodes: `spice_netlists.nodes`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spice_netlists.array import bit_lines, driven_cells, gated_cells, rails
from spice_netlists.cells import CellCircuit, access_varies, memory_circuit, tile_cell
from spice_netlists.drive import rail_drivers, word_line_drivers
from spice_netlists.language import NgspiceLanguage
from spice_netlists.nodes import rails_resist
from spice_netlists.read_out import (
    Sense,
    pulses_end_second,
    ramp_read_out,
    read_out_lines,
    read_out_sense,
    read_out_subcircuits,
)
from spice_netlists.screening import model_file_sha256
from spice_netlists.traces import ConductanceTraces, noisy_cells
from spice_netlists.vacask_deck import vacask_files, vacask_text
from spice_netlists.vacask_language import TRANSIENT
from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout, cell_layout
from tilemodel.config.mismatch import ChipDraw, draw_chip
from tilemodel.config.operands import Conductances, check_conductances
from tilemodel.config.passes import RowPulses
from tilemodel.config.tile import SimulatorConfig, TileConfig

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

    engine: str
    """The simulator that it is written for: ngspice or vacask."""
    text: str
    includes: tuple[Include, ...]
    """Model files, by reference."""
    files: Mapping[str, str]
    """Further files that the run needs, by name: Verilog-A for VACASK."""
    lines: tuple[int, ...]
    """Bit lines in the deck."""
    sense: Sense
    charge_sign: int
    """+1 or -1: sign of the charge for current from the bit line into the clamp."""
    t_stop_second: float

    @property
    def sha256(self) -> str:
        """Hash of the text and of the included files' contents [hexadecimal]."""
        content = "\n".join([self.text, *(include.sha256 for include in self.includes), *self.files.values()])
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def suffix(self) -> str:
        """Of the file that it is written to."""
        return ".sim" if self.engine == "vacask" else ".cir"

    @property
    def command(self) -> str:
        """What runs it, less the file's name."""
        return "vacask" if self.engine == "vacask" else "ngspice -b"

    @property
    def sense_vectors(self) -> tuple[str, ...]:
        """Names of the saved vectors, one a bit line; behind them the outputs of read-outs that convert themselves."""
        return tuple(_saved(self.sense, self.lines))


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """A tile's netlist lines in groups: what a deck, or another writer, puts together."""

    includes: tuple[Include, ...]
    body: list[str]
    """Sub-circuits, cells, wires and read-outs."""
    sources: list[str]
    """Row drivers and ideal clamps: `V<name> <node> 0 <value>`, and comments."""
    lines: tuple[int, ...]
    charge_sign: int
    sense: Sense


def _saved(sense: Sense, lines: Sequence[int]) -> list[str]:
    outputs = [] if sense.ramp is None else [sense.ramp.saved_vector(line) for line in lines]
    return [*(sense_vector(sense, line) for line in lines), *outputs]


def sense_vector(sense: Sense, line: int) -> str:
    """ngspice's name of what is saved of a line."""
    return f"v({sense.name(line)})" if sense.of_voltage else f"i({sense.name(line).lower()})"


def build_deck(
    tile: TileConfig,
    conductances: Conductances,
    pulses: RowPulses,
    *,
    columns: Sequence[int] | None = None,
    cell: CellCircuit | None = None,
    simulator: SimulatorConfig | None = None,
    traces: ConductanceTraces | None = None,
) -> Deck:
    """The deck of one vector in one pass (`tilemodel.config.passes`), for the engine that `simulator` names.

    `columns` limits the deck to some columns (they don't interact where the rows have no resistance, so this is
    exact; elsewhere it is refused); `cell` replaces the cell of a gated tile by a sub-circuit of the user's;
    `simulator` replaces the tile's settings; `traces` are what the conductances do in time.
    Raises `InputError` for operands that do not fit the tile and for a cell on a tile without access devices.
    """
    simulator = simulator or tile.simulator
    t_stop = _stop_second(tile, pulses.n_tick_max)
    if simulator.engine == "vacask":
        if traces is not None:
            raise InputError(f"tile {tile.name}: noisy transients need [simulator] engine = 'ngspice'")
        return _vacask_deck(tile, conductances, pulses, columns, cell, simulator)
    circuit = tile_circuit_lines(tile, conductances, pulses, columns=columns, cell=cell, traces=traces)
    text = "\n".join(
        [
            _header(tile, conductances, circuit),
            *(f'.include "{include.name}"' for include in circuit.includes),
            *circuit.sources,
            *circuit.body,
            _analysis(tile, simulator, circuit, t_stop),
        ]
    )
    return Deck(
        engine="ngspice",
        text=text,
        includes=circuit.includes,
        files={},
        lines=circuit.lines,
        sense=circuit.sense,
        charge_sign=circuit.charge_sign,
        t_stop_second=t_stop,
    )


def _stop_second(tile: TileConfig, n_tick: int) -> float:
    """End of the run: of the window, or of the conversion behind it."""
    ramp = ramp_read_out(tile)
    if ramp is None:
        return tile.t_window_second(n_tick)
    return ramp.t_stop_second(pulses_end_second(tile, n_tick))


def _vacask_deck(
    tile: TileConfig,
    conductances: Conductances,
    pulses: RowPulses,
    columns: Sequence[int] | None,
    cell: CellCircuit | None,
    simulator: SimulatorConfig,
) -> Deck:
    if cell is not None:
        raise InputError(f"tile {tile.name}: a cell circuit of one's own needs [simulator] engine = 'ngspice'")
    check_conductances(tile, conductances)
    cells, chip, lines = cell_layout(tile, conductances), draw_chip(tile), _lines_of(tile, columns)
    files = vacask_files(tile)
    sign = ", negated" if cells.charge_sign < 0 else ""
    header = (
        f"{_what(tile, conductances, lines)}\n"
        f"Run: `vacask <this file>`, the .va files beside it; the waveforms are in {TRANSIENT}.raw then.\n"
        f"The charge of bit line n is the integral of the current of Vclamp<n>{sign}."
    )
    return Deck(
        engine="vacask",
        text=vacask_text(tile, cells, chip, pulses, lines, simulator, header),
        includes=(),
        files=files,
        lines=lines,
        sense=read_out_sense(tile, chip),
        charge_sign=cells.charge_sign,
        t_stop_second=tile.t_window_second(pulses.n_tick_max),
    )


def tile_circuit_lines(
    tile: TileConfig,
    conductances: Conductances,
    pulses: RowPulses,
    *,
    columns: Sequence[int] | None = None,
    cell: CellCircuit | None = None,
    traces: ConductanceTraces | None = None,
) -> Circuit:
    """The netlist lines of a tile with one vector in one pass; arguments and errors as `build_deck`."""
    check_conductances(tile, conductances)
    lines, chip, language = _lines_of(tile, columns), draw_chip(tile), NgspiceLanguage()
    cells = cell_layout(tile, conductances)
    includes, array, words = _array(language, tile, cells, chip, lines, cell, pulses, traces)
    read_outs = list(read_out_lines(language, tile, chip, lines, pulses.n_tick_max))
    sense = read_out_sense(tile, chip)
    plain = not sense.of_voltage and sense.ramp is None
    ramp_files = () if sense.ramp is None else sense.ramp.model_files
    return Circuit(
        includes=_merged(includes, tuple(_include(path) for path in ramp_files)),
        body=[
            *read_out_subcircuits(tile),
            *array,
            *bit_lines(language, tile, lines),
            *rails(language, tile, lines),
            *([] if plain else read_outs),
        ],
        sources=[*words, *rail_drivers(language, tile, cells, pulses), *(read_outs if plain else [])],
        lines=lines,
        charge_sign=cells.charge_sign,
        sense=sense,
    )


def _array(
    language: NgspiceLanguage,
    tile: TileConfig,
    cells: CellLayout,
    chip: ChipDraw,
    lines: Sequence[int],
    own: CellCircuit | None,
    pulses: RowPulses,
    traces: ConductanceTraces | None,
) -> tuple[tuple[Include, ...], list[str], list[str]]:
    """Model files, sub-circuits and cells, and the word lines' sources."""
    if traces is not None:
        return (), list(noisy_cells(tile, cells, lines, traces)), []
    if not tile.is_gated:
        if own is not None:
            raise InputError(f"tile {tile.name}: a cell circuit replaces the cell of gated tiles only")
        memory = memory_circuit(tile.cell.device)
        body = driven_cells(language, tile, cells, lines, None if memory is None else memory.name)
        return (), [*([] if memory is None else [memory.text]), *body], []
    cell = tile_cell(tile, own)
    varies = access_varies(tile) and own is None
    body = _gated_instances(language, tile, cells, chip, lines, cell.name, varies=varies)
    return (
        tuple(_include(path) for path in cell.model_files),
        [
            "* Cell: pins bit line, word line(s), source line(s); g = conductance of the memory element [siemens]",
            cell.text,
            *body,
        ],
        list(word_line_drivers(language, tile, cells, pulses, cell.v_gate_volt)),
    )


def _merged(first: tuple[Include, ...], second: tuple[Include, ...]) -> tuple[Include, ...]:
    """Both, each file once. Raises `InputError` for two files of one name: they lie in one folder."""
    known = {include.sha256 for include in first}
    merged = (*first, *(include for include in second if include.sha256 not in known))
    names = [include.name.lower() for include in merged]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"model files: two have the name {twice!r}; rename one")
    return merged


def _gated_instances(
    language: NgspiceLanguage,
    tile: TileConfig,
    cells: CellLayout,
    chip: ChipDraw,
    lines: Sequence[int],
    name: str,
    *,
    varies: bool,
) -> Iterator[str]:
    """One sub-circuit a cell: bit line, word lines, rails."""
    for line in lines:
        yield language.comment(f"Cells of bit line {line} (column {line // 2}, G{'-' if line % 2 else '+'})")
        for pins in gated_cells(tile, cells, [line]):
            varied = {"ra": float(chip.access_resistance_factor[pins.row, line])} if varies else {}
            nodes = (pins.bit_line, *pins.words, *pins.rails)
            yield language.instance(f"X{line}_{pins.row}", nodes, name, {"g": pins.g_siemens, **varied})


def _lines_of(tile: TileConfig, columns: Sequence[int] | None) -> tuple[int, ...]:
    chosen = range(tile.array.n_col) if columns is None else columns
    outside = [column for column in chosen if not 0 <= column < tile.array.n_col]
    if outside:
        raise InputError(f"columns: {outside[0]} is none of the tile's {tile.array.n_col} columns")
    if rails_resist(tile) and len(chosen) < tile.array.n_col:
        raise InputError(f"columns: tile {tile.name} has row conductors with resistance, so all columns go together")
    per_column = tile.lines_per_column
    return tuple(column * per_column + k for column in chosen for k in range(per_column))


def _include(path: Path) -> Include:
    return Include(name=path.name, path=path.absolute(), sha256=model_file_sha256(path))


def _header(tile: TileConfig, conductances: Conductances, circuit: Circuit) -> str:
    negated = circuit.charge_sign < 0
    if circuit.sense.of_voltage:
        charge = (
            f"* The charge of bit line n is {circuit.sense.coulomb_per_volt * circuit.charge_sign!r} coulomb/volt\n"
            "* times the change of v(out<n>) from its rest, which ngspice prints as output<n> at the window's end."
        )
    else:
        charge = "* The charge of bit line n is the integral of i(vclamp<n>), which ngspice prints as charge<n>" + (
            ", negated." if negated else "."
        )
    what = "\n".join(f"* {line}" for line in _what(tile, conductances, circuit.lines).splitlines())
    return (
        f"{what}\n* Run: `ngspice -b <this file>`, or `ngspice -b -r out.raw <this file>` for the waveforms.\n" + charge
    )


def _what(tile: TileConfig, conductances: Conductances, lines: Sequence[int]) -> str:
    """Title and hashes of a netlist."""
    return (
        f"tilemodel: tile {tile.name}, {tile.cell.kind}, {tile.array.n_row} rows, {len(lines)} bit lines, "
        f"read {tile.array.read_out_end}\n"
        f"tile sha256 {tile.sha256()}\n"
        f"conductances sha256 {conductances.sha256()}"
    )


def _analysis(tile: TileConfig, simulator: SimulatorConfig, circuit: Circuit, t_stop: float) -> str:
    step = simulator.max_step_per_lsb * tile.drive.t_lsb_second
    options = (
        f"reltol={simulator.reltol!r} trtol={simulator.trtol!r} abstol={simulator.abstol_ampere!r} "
        f"vntol={simulator.vntol_volt!r} chgtol={simulator.chgtol_coulomb!r} "
        f"temp={tile.conditions.temperature_celsius!r}"
    )
    vectors = _saved(circuit.sense, circuit.lines)
    if circuit.sense.of_voltage:
        measured = [
            f".measure tran output{line} FIND {vector} AT={t_stop!r}"
            for line, vector in zip(circuit.lines, vectors, strict=True)
        ]
    else:
        measured = [f".measure tran charge{line} INTEG i(Vclamp{line})" for line in circuit.lines]
    saved = "\n+ ".join(vectors)
    return (
        f"* Analysis\n.options {options}\n.save {saved}\n"
        f".tran {step!r} {t_stop!r} 0 {step!r}\n" + "\n".join(measured) + "\n.end\n"
    )
