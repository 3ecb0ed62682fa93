"""A tile in VACASK's language: the same elements as the ngspice deck, cell by cell."""

from collections.abc import Iterator, Sequence

from spice_netlists.array import bit_lines, driven_cells, gated_cells, rails
from spice_netlists.cells import is_ohmic
from spice_netlists.drive import rail_drivers, word_line_drivers
from spice_netlists.read_out import read_out_lines
from spice_netlists.vacask_language import MEMORY_VERILOG_A, SWITCH_VERILOG_A, VacaskLanguage
from tilemodel.config.cell import Device, SinhDevice, SubcktDevice, SwitchAccess
from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.passes import RowPulses
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["vacask_files", "vacask_text"]

_GATE_VOLT = 1.0
# The switch goes over within this part of the gate's swing: 1e-8 of a column's charge; 1e-4 V does not always converge
_SWITCH_WIDTH_VOLT = 1e-3
# A sinh law this wide is a straight line to 1e-7 at any read voltage below 1 V
_STRAIGHT_VOLT = 1e3


def vacask_files(tile: TileConfig) -> dict[str, str]:
    """Verilog-A files that the tile's netlist loads, by name.

    Raises `InputError` for what this engine has no models of.
    """
    if not isinstance(tile.read_out.circuit, IdealClamp | ResistiveClamp):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: kind = {tile.read_out.circuit.kind!r} is a circuit for ngspice; set "
            "[simulator] engine = 'ngspice', or take an ideal or resistive clamp"
        )
    if isinstance(tile.cell.device, SubcktDevice):
        raise InputError(
            f"tile {tile.name} [cell.device]: a circuit of one's own is for ngspice; set [simulator] engine = 'ngspice'"
        )
    files = {} if is_ohmic(tile.cell.device) else {"memory.va": MEMORY_VERILOG_A}
    if tile.is_gated:
        access = getattr(tile.cell, "access", None)
        if not isinstance(access, SwitchAccess):
            raise InputError(
                f"tile {tile.name} [cell.access]: kind = {getattr(access, 'kind', None)!r} is a circuit for ngspice; "
                "set [simulator] engine = 'ngspice', or take a switch"
            )
        files["switch.va"] = SWITCH_VERILOG_A
    return files


def vacask_text(
    tile: TileConfig,
    cells: CellLayout,
    chip: ChipDraw,
    pulses: RowPulses,
    lines: Sequence[int],
    simulator: SimulatorConfig,
    header: str,
) -> str:
    """The netlist of one vector in one pass."""
    language = VacaskLanguage()
    t_stop = tile.t_window_second(pulses.n_tick_max)
    return "\n".join(
        [
            *language.title(header),
            *language.preamble(vacask_files(tile)),
            *_models(language, tile),
            *word_line_drivers(language, tile, cells, pulses, _GATE_VOLT),
            *rail_drivers(language, tile, cells, pulses),
            *_cells(language, tile, cells, chip, lines),
            *bit_lines(language, tile, lines),
            *rails(language, tile, lines),
            *read_out_lines(language, tile, chip, lines, pulses.n_tick_max),
            *language.transient(
                simulator,
                [f"Vclamp{line}" for line in lines],
                t_stop_second=t_stop,
                max_step_second=simulator.max_step_per_lsb * tile.drive.t_lsb_second,
                temperature_celsius=tile.conditions.temperature_celsius,
            ),
        ]
    )


def _models(language: VacaskLanguage, tile: TileConfig) -> list[str]:
    device = tile.cell.device
    assert not isinstance(device, SubcktDevice)  # vacask_files
    lines = [] if is_ohmic(device) else [language.model("memory", "tilemodel_memory", _law(device))]
    return [
        *lines,
        *([language.model("access", "tilemodel_switch", {"w": _SWITCH_WIDTH_VOLT})] if tile.is_gated else []),
    ]


def _law(device: Device) -> dict[str, float]:
    v_sinh = device.v_sinh_volt if isinstance(device, SinhDevice) else _STRAIGHT_VOLT
    return {"v0": v_sinh, "a": device.polarity_asymmetry}


def _cells(
    language: VacaskLanguage, tile: TileConfig, cells: CellLayout, chip: ChipDraw, lines: Sequence[int]
) -> Iterator[str]:
    memory = None if is_ohmic(tile.cell.device) else "memory"
    if not tile.is_gated:
        yield from driven_cells(language, tile, cells, lines, memory)
        return
    access = getattr(tile.cell, "access", None)
    assert isinstance(access, SwitchAccess)  # vacask_files
    for pins in gated_cells(tile, cells, lines):
        name, inner = f"{pins.line}_{pins.row}", f"m{pins.line}_{pins.row}"
        r_on = access.r_on_ohm * float(chip.access_resistance_factor[pins.row, pins.line])
        if memory is None:
            yield language.resistor(f"Rm{name}", inner, pins.bit_line, 1.0 / pins.g_siemens)
        else:
            yield language.instance(f"Xm{name}", (inner, pins.bit_line), memory, {"g": pins.g_siemens})
        for side, (word, rail) in enumerate(zip(pins.words, pins.rails, strict=True)):
            yield language.instance(f"Xs{name}_{side}", (inner, rail, word, "0"), "access", {"r_on": r_on})
