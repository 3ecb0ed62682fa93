"""A calibrated tile's bit lines as ngspice sub-circuits, with a test bench (docs/exports_circuits.md).

Rows are inputs: the voltage between a row's port and `ref` is its pulse's height, 1 V for the full read voltage.
A linear tile's line is a Norton source, W_eff times the rows, behind one pole; a gated line stays a ladder, whose
cells are switches or controlled sources in place of transistors.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.passes import tile_passes
from tilemodel.conversion import converter_bank
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.circuit_bench import FARAD, HOLD, SAMPLE, control_waves, schedule
from tilemodel.exports.circuit_converter import code_expression, conversion_losses, converts, level_rate, level_shift
from tilemodel.exports.circuit_lines import (
    check_line_ends,
    clamp_volt,
    gated_cells,
    line_losses,
    norton_lines,
    predict_lines,
)
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses

__all__ = ["export_ngspice"]

FloatArray = NDArray[np.float64]

# Pulses' ends are break points anyway
_STEPS_PER_TICK = 1
# Of a cell's current: what a series of its curve may leave out
_SERIES = 1e-6


def export_ngspice(probe: Probe) -> Export:
    """`tile.sub` with a sub-circuit a bit line, and `bench.cir`, which prints charges of the first vectors.

    Raises `InputError` for tiles that are neither linear nor gated with Ohmic cells on ideal rows, and for
    other read-outs than clamps that take the whole tail.
    """
    solver = probe.programmed.solver
    if solver == "network":
        raise InputError(
            f"tile {probe.tile.name}: the ngspice export has sub-circuits for linear tiles and for gated cells with "
            "Ohmic devices on ideal rows; take [cell.device] kind = 'linear' and rows without resistance"
        )
    check_line_ends(probe, "ngspice")
    done = dict.fromkeys(NOISE_KINDS, "left out: it is quiet")
    body = [*(_linear_lines(probe) if solver == "linear" else _gated_lines(probe)), *_converters(probe)]
    return Export(
        target="ngspice",
        target_version="ngspice 39",
        upkeep="ours",
        files={"tile.sub": "\n".join(body) + "\n", "bench.cir": "\n".join(_bench(probe)) + "\n"},
        losses=(*losses(probe, done), *conversion_losses(probe), *line_losses(probe)),
        predict=predict_lines,
    )


def _header(probe: Probe, line: int) -> str:
    return f".subckt line{line} {' '.join(f'r{row}' for row in range(probe.tile.array.n_row))} clamp ref"


def _linear_lines(probe: Probe) -> Iterator[str]:
    """The Norton source x, through one pole, and the line's conductance to the rows' common voltage."""
    yield f"* {probe.tile.name}: bit lines as Norton sources"
    for number, line in enumerate(norton_lines(probe)):
        yield _header(probe, number)
        yield from (f"G{row} ref x r{row} ref {weight:.12g}" for row, weight in enumerate(line.weights))
        yield from ("Rx x ref 1", f"Cx x ref {line.delay_second:.12g}", f"Gout ref clamp x ref {line.unit_ampere:.12g}")
        yield f"Vrest rest ref {line.rest_volt:.12g}"
        yield f"Gline rest clamp rest clamp {line.conductance_siemens:.12g}"
        yield ".ends"


def _gated_lines(probe: Probe) -> Iterator[str]:
    """A ladder, whose cells conduct where their row is on."""
    tile, parameters, north = probe.tile, probe.model.parameters, lines_read_north(probe.tile)
    conductance, slope = gated_cells(probe)
    r, r_end, c = parameters.r_bit_line_ohm, end_resistance_ohm(tile), tile.wires_in_use.c_bit_line_farad
    n_row = tile.array.n_row
    amplitude = any(each.amplitude_coded for each in tile_passes(tile, probe.ticks[:1]))
    yield f"* {tile.name}: gated bit lines as ladders"
    for line, g in enumerate(conductance.T):
        order = range(n_row - 1, -1, -1) if north[line] else range(n_row)
        yield _header(probe, line)
        for place, row in enumerate(order):
            last = place == n_row - 1
            node, to = f"n{place}", "clamp" if last else f"n{place + 1}"
            yield from _gated_cell(place, f"r{row}", float(g[row]), slope, 1.5 * tile.v_read_volt, amplitude=amplitude)
            # A voltage source where there is no resistance
            ohm = r + (r_end if last else 0.0)
            yield f"R{place} {node} {to} {ohm:.12g}" if ohm > 0 else f"V{place} {node} {to} 0"
            if c > 0:
                yield f"C{place} {node} ref {c:.12g}"
        yield ".ends"


def _gated_cell(place: int, row: str, g: float, slope: float, v_max_volt: float, *, amplitude: bool) -> Iterator[str]:
    """What solves v = i (1/g + slope i) times the row's input.

    A switch where the access is Ohmic; else i = g v (1 - a + 2 a^2) with a = slope g^2 v where the next term, 5 a^3,
    is below 1e-6 up to `v_max_volt`; else the solution itself.
    """
    node = f"n{place}"
    bend = slope * g**2
    if g == 0:
        return
    if slope == 0 and not amplitude:
        yield f"S{place} {node} ref {row} ref cell{place}"
        yield f".model cell{place} sw vt=0.5 vh=0 ron={1 / g:.12g} roff=1e15"
    elif 5 * (bend * v_max_volt) ** 3 < _SERIES:
        powers = f"{g:.12g} 0 0 0 {-bend * g:.12g} 0 0 0 0 {2 * bend**2 * g:.12g}"
        yield f"G{place} {node} ref POLY(2) {row} ref {node} ref 0 0 0 0 {powers}"
    else:
        root = f"(1+sqrt(1+({4 * bend:.12g})*V({node},ref)))"
        yield f"B{place} {node} ref I=V({row},ref)*({g:.12g})*V({node},ref)/{root}*2"


def _converters(probe: Probe) -> Iterator[str]:
    """`adc<line>`: what flows from the line to its clamp, integrated while `run` is 1, and at `sample` its code."""
    if not converts(probe):
        return
    tile, bank = probe.tile, converter_bank(probe.tile)
    sign = "-" if tile.is_gated else ""
    hold = HOLD / tile.drive.t_lsb_second * FARAD
    for line in range(bank.n_line):
        rate = level_rate(bank, line, f"{sign}i(Vflow)")
        level = f"(V(level,ref)+({level_shift(bank, line)!r}))"
        yield f".subckt adc{line} line clamp reset run sample code ref"
        yield "Vflow line clamp 0"
        yield f"Blevel ref level I={FARAD!r}*V(run,ref)*({rate})-{hold!r}*V(reset,ref)*V(level,ref)"
        yield f"Clevel level ref {FARAD!r}"
        yield f"Bcode code ref V=V(sample,ref)*({code_expression(bank, level)})"
        yield ".ends"


def _bench(probe: Probe) -> Iterator[str]:
    """All passes of the first vectors; prints `q_<pass>_<vector>_<line>` in coulomb, and `code_...` of the same."""
    tile, chip, drive = probe.tile, draw_chip(probe.tile), probe.tile.drive
    gated = tile.is_gated
    level = clamp_volt(probe)
    n_line = cell_layout(tile, probe.conductances).g_siemens.shape[2]
    rows, windows = schedule(probe)
    stop = windows[-1][3] + drive.t_lsb_second
    sign = "-" if gated else ""
    measures = [
        f"meas tran q_{number}_{vector}_{line} INTEG q{line} from={begin:.12g} to={end:.12g}"
        for number, vector, begin, end in windows
        for line in range(n_line)
    ]
    if converts(probe):
        measures += [
            f"meas tran code_{number}_{vector}_{line} FIND v(code{line}) AT={end + SAMPLE * drive.t_lsb_second:.12g}"
            for number, vector, _, end in windows
            for line in range(n_line)
        ]
    yield f"* Charges of {tile.name}, by tilemodel: ngspice -b bench.cir"
    yield ".include tile.sub"
    yield ".options reltol=1e-6 abstol=1e-14 vntol=1e-10 chgtol=1e-18"
    yield from (
        f"Vr{row} r{row} 0 PWL({' '.join(f'{t:.12g} {h:.12g}' for t, h in points)})" for row, points in enumerate(rows)
    )
    yield from (
        f"* pass {number} counts {each.factor} times" for number, each in enumerate(tile_passes(tile, probe.ticks[:1]))
    )
    if converts(probe):
        for name, points in control_waves(probe, windows).items():
            yield f"V{name} {name} 0 PWL({' '.join(f'{t:.12g} {v:.12g}' for t, v in points)})"
    ports = " ".join(f"r{row}" for row in range(tile.array.n_row))
    for line in range(n_line):
        end = f"k{line}" if converts(probe) else f"c{line}"
        yield f"Vclamp{line} {end} 0 {level + chip.clamp_offset_volt[line]:.12g}"
        yield f"X{line} {ports} c{line} 0 line{line}"
        if converts(probe):
            yield f"Xadc{line} c{line} k{line} reset run sample code{line} 0 adc{line}"
    yield ".control"
    yield "set numdgt=12"
    yield f"tran {drive.t_lsb_second / _STEPS_PER_TICK:.12g} {stop:.12g} 0 {drive.t_lsb_second / _STEPS_PER_TICK:.12g}"
    yield from (f"let q{line} = {sign}i(Vclamp{line})" for line in range(n_line))
    yield from measures
    yield "quit"
    yield ".endc"
    yield ".end"
