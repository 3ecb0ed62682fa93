"""DNN+NeuroSim V1.4: arguments of its `inference.py`, and a script that sets the values in its `Param.cpp`.

A partial export: its accuracy simulation has no wires, reads bit by bit and quantizes what its dummy columns are
subtracted from. `Param.cpp` is what its estimates of area, delay and energy take. Checked against the names of both;
what it computes is our calculation of the product with its rounded weights, not a run of it.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.operands import Conductances
from tilemodel.exports.bare import adc_bits, bit_lines_lost, clamp_offset_lost
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses
from tilemodel.model import ideal_charge
from tilemodel.noise.steps import programming_sigma
from tilemodel.version import VERSION

__all__ = ["export_neurosim"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "DNN+NeuroSim V1.4"
_WEIGHT_BITS = 8
_RATIO_MAX = 1e9  # for cells without a lowest conductance
_RRAM, _WITH_TRANSISTOR, _WITHOUT_TRANSISTOR = 2, 1, 4
_NO_WIRES = "left out: its accuracy simulation has no wires"
_DONE = {
    "row wires": _NO_WIRES,
    "row drivers": _NO_WIRES,
    "line ends": _NO_WIRES,
    "device": "left out: its cells are ohmic",
    "access": "left out: its accuracy simulation has no access devices",
    "window": "left out: it integrates nothing",
    "mismatch": "left out: all columns are alike",
    "adc lines": "left out: all columns are alike",
    "adc": "--ADCprecision bits over the range of each output batch, for every bit of the inputs",
    "programming": "--vari: one sigma relative to the conductance, the root mean square over the probe's cells",
    "drift": "left out: set --t and --v yourself, its law is another one",
    **dict.fromkeys(("read", "telegraph", "long_term", "faults", "spread"), "left out: it has none"),
}


def export_neurosim(probe: Probe) -> Export:
    """`neurosim.json`, the command's arguments and `set_neurosim_param.py`."""
    values = _values(probe)
    script = files("tilemodel.exports.modules").joinpath("set_neurosim_param.py").read_text(encoding="utf-8")
    arguments = " ".join(f"--{name} {value}" for name, value in values["inference_py"].items())
    return Export(
        target="neurosim",
        target_version=TARGET_VERSION,
        upkeep="partial",
        files={
            "neurosim.json": json.dumps(values, indent=2) + "\n",
            "arguments.txt": arguments + "\n",
            "set_neurosim_param.py": script,
        },
        losses=(
            *losses(probe, _DONE),
            *bit_lines_lost(probe, _NO_WIRES),
            *clamp_offset_lost(probe, "left out: it has no clamps"),
        ),
        predict=_predict,
    )


def _values(probe: Probe) -> dict[str, Any]:
    tile, g, drive = probe.tile, probe.tile.conductance, probe.tile.drive
    ratio = g.g_max_siemens / g.g_min_siemens if g.g_min_siemens > 0 else _RATIO_MAX
    bits = adc_bits(tile)
    inference: dict[str, Any] = {
        "inference": 1,
        "subArray": tile.array.n_row,
        "parallelRead": tile.array.n_row,
        "wl_weight": _WEIGHT_BITS,
        "cellBit": _WEIGHT_BITS,
        "wl_activate": drive.input_bits,
        "onoffratio": ratio,
        "vari": _relative_sigma(probe),
        "t": 0,
        "v": 0,
    }
    pulse = drive.t_lsb_second * (1 if drive.coding == "bit_wise" else drive.n_tick_max)
    param: dict[str, float | int] = {
        "memcelltype": _RRAM,
        "accesstype": _WITH_TRANSISTOR if tile.is_gated else _WITHOUT_TRANSISTOR,
        "temp": tile.conditions.temperature_celsius + 273.15,
        "numRowSubArray": tile.array.n_row,
        "numColSubArray": tile.array.n_col * tile.lines_per_column,
        "cellBit": _WEIGHT_BITS,
        "resistanceOn": 1 / g.g_max_siemens,
        "resistanceOff": ratio / g.g_max_siemens,
        "readVoltage": tile.v_read_volt,
        "readPulseWidth": pulse,
    }
    if bits is not None:
        inference["ADCprecision"] = bits
        param["levelOutput"] = 2**bits
    return {
        "schema_version": "tilemodel-export-neurosim-1",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": tile.name, "sha256": tile.sha256()},
        "inference_py": inference,
        "param_cpp": param,
    }


def _relative_sigma(probe: Probe) -> float:
    noise = probe.tile.noise
    if noise is None or noise.programming is None:
        return 0.0
    cells = np.concatenate([values.ravel() for values in probe.conductances.arrays().values()])
    sigma = programming_sigma(noise.programming, cells)
    return float(np.sqrt(np.mean(sigma**2) / np.mean(cells**2)))


def _predict(probe: Probe) -> FloatArray:
    """The ideal MAC of weights rounded to its bits."""
    span = probe.tile.conductance.g_max_siemens - probe.tile.conductance.g_min_siemens
    steps = (2**_WEIGHT_BITS - 1) / 2
    pairs = probe.conductances.arrays()
    rounded: dict[str, FloatArray] = {}
    for plus, minus in (("g_plus", "g_minus"), ("g_minor_plus", "g_minor_minus")):
        if plus in pairs:
            weight = np.rint(steps * ((pairs[plus] - pairs[minus]) / span + 1)) / steps - 1
            rounded[plus], rounded[minus] = np.maximum(weight, 0) * span, np.maximum(-weight, 0) * span
    return ideal_charge(probe.tile, Conductances(**rounded), probe.ticks)
