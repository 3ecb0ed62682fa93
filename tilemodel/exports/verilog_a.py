"""A calibrated linear tile's bit lines as Verilog-A modules, with a VACASK bench (docs/exports_circuits.md)."""

from collections.abc import Iterator

import numpy as np

from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout
from tilemodel.config.mismatch import draw_chip
from tilemodel.exports.ngspice import check_line_ends, delay_second, rows_resist, schedule, settling_loss
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses
from tilemodel.linear import LinearTile
from tilemodel.parameters import DrivenParameters

__all__ = ["export_verilog_a"]

_STEPS_PER_TICK = 4


def export_verilog_a(probe: Probe) -> Export:
    """`tile.va` with a module a bit line, and `bench.sim`, which saves the clamps' currents for VACASK.

    Raises `InputError` for tiles that are not linear on ideal rows, and for other read-outs than clamps that
    take the whole tail.
    """
    if probe.programmed.solver != "linear" or rows_resist(probe):
        raise InputError(
            f"tile {probe.tile.name}: the verilog-a export has modules for linear tiles on ideal rows; "
            "take --to ngspice, which also has gated cells and rows with resistance"
        )
    check_line_ends(probe, "verilog-a")
    done = {"adc": "left out: the lines end at their clamps", **dict.fromkeys(NOISE_KINDS, "left out: it is quiet")}
    return Export(
        target="verilog-a",
        target_version="Verilog-A 2.4, OpenVAF-reloaded",
        upkeep="ours",
        files={"tile.va": "\n".join(_modules(probe)) + "\n", "bench.sim": "\n".join(_bench(probe)) + "\n"},
        losses=(*losses(probe, done), *settling_loss(probe)),
        predict=lambda other: other.charge_coulomb,
    )


def _modules(probe: Probe) -> Iterator[str]:
    """The Norton source behind one pole, and the line's conductance to the rows' common voltage."""
    tile, parameters = probe.tile, probe.model.parameters
    assert isinstance(parameters, DrivenParameters)
    cells = cell_layout(tile, probe.conductances)
    linear = LinearTile(tile, cells, draw_chip(tile), parameters)
    conductance = linear.conductance_siemens.sum(axis=1)
    delay = delay_second(probe, cells.g_siemens.sum(axis=0) * parameters.g_factor)
    ports = ", ".join([*(f"r{row}" for row in range(tile.array.n_row)), "clamp", "ref"])
    yield '`include "disciplines.vams"'
    for line, weights in enumerate(linear.w_eff_ampere.T):
        unit = float(np.abs(weights).max()) or 1.0
        yield f"module tilemodel_line{line}({ports});"
        yield f"  inout {ports};"
        yield f"  electrical {ports}, x;"
        yield "  analog begin"
        # Node x settles at the rows' sum over the largest weight
        yield f"    I(x, ref) <+ V(x, ref) + ddt({float(delay[line])!r} * V(x, ref));"
        yield from (
            f"    I(x, ref) <+ -({float(value / unit)!r}) * V(r{row}, ref);" for row, value in enumerate(weights)
        )
        yield f"    I(clamp, ref) <+ -({unit!r}) * V(x, ref);"
        yield (
            f"    I(clamp, ref) <+ ({float(conductance[line])!r}) * (V(clamp, ref) - ({float(cells.rest_volt[0])!r}));"
        )
        yield "  end"
        yield "endmodule"


def _bench(probe: Probe) -> Iterator[str]:
    """All passes of the first vectors; a charge is the integral of `vclamp<line>:flow(br)` over its window."""
    tile, chip, parameters = probe.tile, draw_chip(probe.tile), probe.model.parameters
    assert isinstance(parameters, DrivenParameters)
    n_line = len(chip.clamp_offset_volt)
    rows, windows = schedule(probe)
    step = tile.drive.t_lsb_second / _STEPS_PER_TICK
    yield f"Charges of {tile.name}, by tilemodel: vacask bench.sim"
    yield from (f"// window {number} {vector} {begin!r} {end!r}" for number, vector, begin, end in windows)
    yield 'load "tile.va"'
    yield "model vs vsource"
    yield from (f"model line{line} tilemodel_line{line}" for line in range(n_line))
    for row, points in enumerate(rows):
        wave = ", ".join(f"{float(t)!r}, {h!r}" for t, h in points)
        # VACASK refuses a wave of one point
        yield f"vr{row} (r{row} 0) vs dc=0" + (f' type="pwl" wave=[{wave}]' if len(points) > 1 else "")
    ports = " ".join(f"r{row}" for row in range(tile.array.n_row))
    for line in range(n_line):
        yield f"vclamp{line} (c{line} 0) vs dc={float(parameters.v_clamp_volt + chip.clamp_offset_volt[line])!r}"
        yield f"x{line} ({ports} c{line} 0) line{line}"
    yield "control"
    yield (
        "  options reltol=1e-6 abstol=1e-14 vntol=1e-10 chgtol=1e-18 nr_residualcheck=0 tran_fbr=0.02 "
        'rawfile="binary" strictsave=2'
    )
    yield from (f"  save i(vclamp{line})" for line in range(n_line))
    yield f"  analysis tran1 tran step={step!r} stop={windows[-1][3]!r} maxstep={step!r}"
    yield "endc"
