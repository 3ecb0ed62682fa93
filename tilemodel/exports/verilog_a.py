"""A calibrated tile's bit lines as Verilog-A modules, with a VACASK bench (docs/exports_circuits.md)."""

from collections.abc import Iterator
from importlib.resources import files

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import without_lines
from tilemodel.config.errors import InputError
from tilemodel.config.layout import lines_read_north
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
    rows_resist,
)
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses

__all__ = ["export_verilog_a"]

_STEPS_PER_TICK = 4


def export_verilog_a(probe: Probe) -> Export:
    """`tile.va` with a module a bit line, and `bench.sim`, which saves the clamps' currents for VACASK.

    Raises `InputError` for tiles that are neither linear nor gated with Ohmic cells, both on ideal rows, and for other
    read-outs than clamps that take the whole tail.
    """
    _refuse_others(probe)
    check_line_ends(probe, "verilog-a")
    modules = _gated_modules if probe.tile.is_gated else _linear_modules
    done = dict.fromkeys(NOISE_KINDS, "left out: it is quiet")
    return Export(
        target="verilog-a",
        target_version="Verilog-A 2.4, OpenVAF-reloaded",
        upkeep="ours",
        files={
            "tile.va": "\n".join(['`include "disciplines.vams"', *modules(probe), *_clamp(probe)]) + "\n",
            "bench.sim": "\n".join(_bench(probe)) + "\n",
            "charges.py": files("tilemodel.exports.modules").joinpath("charges.py").read_text(encoding="utf-8"),
        },
        losses=(*losses(probe, done), *conversion_losses(probe), *line_losses(probe)),
        predict=predict_lines,
    )


def _refuse_others(probe: Probe) -> None:
    """Raise `InputError` for tiles without modules, with what there is for them."""
    start = f"tile {probe.tile.name}: the verilog-a export has modules for linear tiles and gated cells, on ideal rows"
    if probe.programmed.solver == "network":
        raise InputError(
            f"{start}, and its cells are curved, or gated on rows with resistance: no export holds its circuit; take "
            "--to json, which is the whole model, or give [cell.device] kind = 'linear' and rows without resistance"
        )
    if rows_resist(probe):
        raise InputError(f"{start}; take --to ngspice, which couples lines through rows with resistance")


def _linear_modules(probe: Probe) -> Iterator[str]:
    """The Norton source behind one pole, and the line's conductance to the rows' common voltage."""
    ports = ", ".join([*(f"r{row}" for row in range(probe.tile.array.n_row)), "clamp", "ref"])
    for number, line in enumerate(norton_lines(probe)):
        yield f"module tilemodel_line{number}({ports});"
        yield f"  inout {ports};"
        yield f"  electrical {ports}, x;"
        yield "  analog begin"
        # Node x settles at the rows' sum over the largest weight
        yield f"    I(x, ref) <+ V(x, ref) + ddt({line.delay_second!r} * V(x, ref));"
        yield from (f"    I(x, ref) <+ -({weight!r}) * V(r{row}, ref);" for row, weight in enumerate(line.weights))
        yield f"    I(clamp, ref) <+ -({line.unit_ampere!r}) * V(x, ref);"
        yield f"    I(clamp, ref) <+ ({line.conductance_siemens!r}) * (V(clamp, ref) - ({line.rest_volt!r}));"
        yield "  end"
        yield "endmodule"


def _gated_modules(probe: Probe) -> Iterator[str]:
    """A ladder, whose cells solve v = i (1/g + slope i) times their row's input."""
    tile, r = probe.tile, probe.model.parameters.r_bit_line_ohm
    conductance, slope = gated_cells(probe)
    r_end, c = end_resistance_ohm(tile), tile.wires_in_use.c_bit_line_farad
    north, n_row = lines_read_north(tile), tile.array.n_row
    ports = ", ".join([*(f"r{row}" for row in range(n_row)), "clamp", "ref"])
    for line, g in enumerate(conductance.T):
        order = range(n_row - 1, -1, -1) if north[line] else range(n_row)
        yield f"module tilemodel_line{line}({ports});"
        yield f"  inout {ports};"
        yield f"  electrical {ports}, {', '.join(f'n{place}' for place in range(n_row))};"
        yield "  analog begin"
        for place, row in enumerate(order):
            last, node = place == n_row - 1, f"n{place}"
            to, ohm = ("clamp", r + r_end) if last else (f"n{place + 1}", r)
            current = f"V(r{row}, ref) * {float(g[row])!r} * V({node}, ref)"
            if slope:
                current += f" * 2 / (1 + sqrt(1 + {float(4 * slope * g[row] ** 2)!r} * V({node}, ref)))"
            yield f"    I({node}, ref) <+ {current} + ddt({c!r} * V({node}, ref));"
            yield f"    I({node}, {to}) <+ V({node}, {to}) / {ohm!r};" if ohm > 0 else f"    V({node}, {to}) <+ 0;"
        yield "  end"
        yield "endmodule"


def _clamp(probe: Probe) -> Iterator[str]:
    """Clamp, integrator and converter: `charge` is in units of the probe's full scale, `code` is out at `sample`."""
    bank, nodes = converter_bank(probe.tile), "line, reset, run, sample, charge, code, ref"
    hold = HOLD / probe.tile.drive.t_lsb_second * FARAD
    yield f"module tilemodel_clamp({nodes});"
    yield f"  inout {nodes};"
    yield f"  electrical {nodes}, level;"
    for name, value in (("volt", 0.0), ("gain", 1.0), ("shift", 0.0)):
        yield f'  (* type="instance" *) parameter real {name} = {value!r};'
    yield "  analog begin"
    yield "    V(line, ref) <+ volt;"
    # Gated lines draw their current from the clamp
    current = "(-I(line, ref))" if probe.tile.is_gated else "I(line, ref)"
    rates = {"charge": f"{current} / {probe.full_scale_coulomb!r}"}
    if converts(probe):
        rates["level"] = f"gain * ({_nominal_rate(bank, current)})"
    else:
        yield "    I(level, ref) <+ V(level, ref);"
    for node, rate in rates.items():
        yield f"    I({node}, ref) <+ ddt({FARAD!r} * V({node}, ref));"
        yield f"    I({node}, ref) <+ -{FARAD!r} * V(run, ref) * ({rate});"
        yield f"    I({node}, ref) <+ {hold!r} * V(reset, ref) * V({node}, ref);"
    code = code_expression(bank, "(V(level, ref) + shift)") if converts(probe) else "0.0"
    yield f"    I(code, ref) <+ V(code, ref) - V(sample, ref) * ({code});"
    yield "  end"
    yield "endmodule"


def _nominal_rate(bank: ConverterBank, current: str) -> str:
    """Of a converter of gain 1."""
    alike = ConverterBank(without_lines(bank.adc), None, 1, bank.signed)
    return level_rate(alike, 0, current)


def _bench(probe: Probe) -> Iterator[str]:
    """All passes of the first vectors; `charges.py` prints charges and codes at the windows' ends from `tran1.raw`."""
    tile, chip, level = probe.tile, draw_chip(probe.tile), clamp_volt(probe)
    bank, n_line = converter_bank(tile), len(chip.clamp_offset_volt)
    rows, windows = schedule(probe)
    tick = tile.drive.t_lsb_second
    step, stop = tick / _STEPS_PER_TICK, windows[-1][3] + tick
    yield f"Charges of {tile.name}, by tilemodel: vacask bench.sim"
    yield "// window: pass, vector, begin, when its charges and codes are read"
    yield from (
        f"// window {number} {vector} {begin!r} {end + SAMPLE * tick!r}" for number, vector, begin, end in windows
    )
    passes = tile_passes(tile, probe.ticks[:1])
    yield from (f"// pass {number} counts {each.factor} times" for number, each in enumerate(passes))
    yield f"// full scale {probe.full_scale_coulomb!r}"
    yield 'load "tile.va"'
    yield "model vs vsource"
    yield "model clamp tilemodel_clamp"
    yield from (f"model line{line} tilemodel_line{line}" for line in range(n_line))
    waves = {f"r{row}": points for row, points in enumerate(rows)} | control_waves(probe, windows)
    for name, points in waves.items():
        wave = ", ".join(f"{float(t)!r}, {h!r}" for t, h in points)
        # VACASK refuses a wave of one point
        yield f"v{name} ({name} 0) vs dc={points[0][1]!r}" + (f' type="pwl" wave=[{wave}]' if len(points) > 1 else "")
    ports = " ".join(f"r{row}" for row in range(tile.array.n_row))
    for line in range(n_line):
        volt = float(level + chip.clamp_offset_volt[line])
        shift = level_shift(bank, line) if converts(probe) else 0.0
        yield f"x{line} ({ports} c{line} 0) line{line}"
        yield (
            f"xclamp{line} (c{line} reset run sample q{line} code{line} 0) clamp volt={volt!r} "
            f"gain={float(bank.gain_line[line])!r} shift={shift!r}"
        )
    yield "control"
    yield (
        "  options reltol=1e-6 abstol=1e-14 vntol=1e-10 chgtol=1e-18 nr_residualcheck=0 tran_fbr=0.02 "
        'rawfile="binary" strictsave=2'
    )
    yield from (f"  save v(q{line}) v(code{line})" for line in range(n_line))
    yield f"  analysis tran1 tran step={step!r} stop={stop!r} maxstep={step!r}"
    yield '  postprocess(PYTHON, "charges.py")'
    yield "endc"
