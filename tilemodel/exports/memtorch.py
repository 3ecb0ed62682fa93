"""MemTorch 1.1.6: the arguments of its `patch_model`, and a module that applies them.

It is not maintained (last release: 2022). Its passive crossbar has one resistance for all line segments and one for
all sources and sinks; with `transistor=True` it has no wires at all. Checked against the names of its arguments; what
it computes is our calculation of the circuit that it describes, not a run of the package.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import IdealAdc
from tilemodel.ends import end_resistance_ohm
from tilemodel.exports.bare import adc_bits, bit_lines_lost, clamp_offset_lost
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses
from tilemodel.model import ideal_charge
from tilemodel.version import VERSION

__all__ = ["export_memtorch"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "MemTorch 1.1.6"
_OHM_MIN = 1e-6  # it divides by its resistances
_OUT = "left out: it has none"
_DONE = {
    "device": "left out: its crossbars are ohmic",
    "access": "left out: its transistor is an ideal switch",
    "window": "left out: it has no time",
    "mismatch": "left out: all columns are alike",
    "adc lines": "left out: all columns are alike",
    "adc": "ADC_resolution bits over the range of each output batch: neither our range nor our rounding",
    **dict.fromkeys(("programming", "read", "telegraph", "drift", "long_term", "faults", "spread"), _OUT),
}


def export_memtorch(probe: Probe) -> Export:
    """`memtorch.json` and a module with `patch(model)`."""
    done, found = dict(_DONE), []
    if _is_passive(probe):
        shared = "one line_resistance and one source_resistance for rows and bit lines, those of the bit lines"
        done.update({"row wires": shared, "row drivers": shared})
    else:
        found = bit_lines_lost(probe, "left out: its wires come with row wires of the same resistance")
        done["line ends"] = "left out with the wires"
    module = files("tilemodel.exports.modules").joinpath("memtorch_patch.py").read_text(encoding="utf-8")
    return Export(
        target="memtorch",
        target_version=TARGET_VERSION,
        upkeep="unmaintained",
        files={"memtorch.json": json.dumps(_values(probe), indent=2) + "\n", "memtorch_patch.py": module},
        losses=(*losses(probe, done), *found, *clamp_offset_lost(probe, "left out: it has no clamps")),
        predict=_predict,
    )


def _is_passive(probe: Probe) -> bool:
    """Whether its passive crossbar is nearer: rows that resist, cells that always conduct."""
    wires = probe.tile.wires_in_use
    return not probe.tile.is_gated and wires.r_row_ohm + wires.r_driver_ohm > 0


def _values(probe: Probe) -> dict[str, Any]:
    tile, g = probe.tile, probe.tile.conductance
    arguments: dict[str, Any] = {
        "transistor": not _is_passive(probe),
        "tile_shape": [tile.array.n_row, tile.array.n_col],
        "max_input_voltage": tile.v_read_volt,
        "source_resistance": None,
        "line_resistance": None,
    }
    if _is_passive(probe):
        line, source = _ohms(probe)
        arguments.update({"source_resistance": source, "line_resistance": line})
    if not isinstance(tile.adc, IdealAdc):
        arguments.update({"ADC_resolution": adc_bits(tile), "ADC_overflow_rate": 0.0, "quant_method": "linear"})
    r_off = 1 / g.g_min_siemens if g.g_min_siemens > 0 else 1e12
    return {
        "schema_version": "tilemodel-export-memtorch-1",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": tile.name, "sha256": tile.sha256()},
        "memristor_model_params": {"r_on": 1 / g.g_max_siemens, "r_off": r_off},
        "patch_model": arguments,
    }


def _ohms(probe: Probe) -> tuple[float, float]:
    """Its line resistance, and its source resistance: what lies between the last node and the clamp."""
    line = max(float(probe.model.parameters.r_bit_line_ohm), _OHM_MIN)
    return line, line + end_resistance_ohm(probe.tile)


def _predict(probe: Probe) -> FloatArray:
    """Of two crossbars that are subtracted; sources and sinks lie directly at the outermost nodes."""
    tile, given = probe.tile, probe.conductances
    if not _is_passive(probe):
        return ideal_charge(tile, given, probe.ticks)
    from tilemodel.solvers.mesh import mesh_transfer

    line, source = _ohms(probe)
    transfers = [
        mesh_transfer(
            g[np.newaxis],
            r_bit_ohm=line,
            r_end_ohm=source - line,
            r_row_ohm=line,
            r_driver_ohm=source - line,
            driven_end="west",
            north=np.zeros(tile.array.n_col, dtype=bool),
        )[0][0]
        for g in (given.g_plus, given.g_minus)
    ]
    unit = float(getattr(tile.read_out.circuit, "ratio", 1.0)) * tile.v_read_volt * tile.drive.t_lsb_second
    charge: FloatArray = probe.ticks.astype(np.float64) @ (transfers[0] - transfers[1]) * unit
    return charge
