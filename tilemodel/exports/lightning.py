"""IBM's aihwkit-lightning 2.1.0: an ideal product between converters, and Gaussian noise in training.

It has no wires, volts or siemens. What a tile's outputs deviate by after the best gain and offset of each column
becomes `forward.out_noise`, what noise of the cells adds becomes `modifier.std_dev`; both are computed on the probe.
Its unit: an output of 1 is the largest weight times the largest input.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.column_fit import left_after_fit
from tilemodel.config.adc import LinearAdc
from tilemodel.config.errors import InputError
from tilemodel.exports.bare import bit_lines_lost, clamp_offset_lost, pair_gain
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Export
from tilemodel.exports.without import losses
from tilemodel.model import ideal_charge
from tilemodel.version import VERSION

__all__ = ["export_lightning"]

FloatArray = NDArray[np.float64]

TARGET_VERSION = "aihwkit-lightning 2.1.0"
_COLLAPSED = "left out; its share is in forward.out_noise, drawn anew for every output"
_OFFSET = "left out: a constant a column, to be subtracted digitally; out_noise is what is left after that"
_DONE = {
    **dict.fromkeys(
        ("row wires", "row drivers", "line ends", "device", "access", "window", "mismatch"),
        _COLLAPSED,
    ),
    "adc law": "left out: its rounding has neither; apply them to the output digitally",
    "adc lines": "left out: all columns are alike",
    **dict.fromkeys(NOISE_KINDS, "collapsed into modifier.std_dev, drawn anew for every batch in training"),
}


def export_lightning(probe: Probe) -> Export:
    """JSON and a module with `make_rpu_config()`.

    Raises `InputError` for a probe of fewer than three vectors: two numbers of each column are fitted to it.
    """
    if len(probe.ticks) < 3:
        raise InputError(
            f"aihwkit-lightning: {len(probe.ticks)} vectors tell nothing of what a gain and an offset of each column "
            "leave; give at least 3"
        )
    values = _values(probe)
    module = files("tilemodel.exports.modules").joinpath("lightning_tile.py").read_text(encoding="utf-8")
    done = dict(_DONE)
    if not isinstance(probe.tile.adc, LinearAdc):
        done["adc"] = "left out: it rounds, and has no oscillator or ramp; give forward.out_res and out_bound yourself"
    found = (*losses(probe, done), *bit_lines_lost(probe, _COLLAPSED), *clamp_offset_lost(probe, _OFFSET))
    return Export(
        target="aihwkit-lightning",
        target_version=TARGET_VERSION,
        upkeep="maintained",
        files={"aihwkit_lightning.json": json.dumps(values, indent=2) + "\n", "lightning_tile.py": module},
        losses=found,
        predict=_predict,
    )


def _predict(probe: Probe) -> FloatArray:
    return ideal_charge(probe.tile, probe.conductances, probe.ticks)


def _values(probe: Probe) -> dict[str, Any]:
    tile, drive, g = probe.tile, probe.tile.drive, probe.tile.conductance
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0) * pair_gain(tile)
    unit = ratio * (g.g_max_siemens - g.g_min_siemens) * tile.v_read_volt * drive.n_tick_max * drive.t_lsb_second
    n_vec = len(probe.ticks)
    left = left_after_fit(probe.charge_coulomb, _predict(probe))
    # two numbers of each column were fitted
    out_noise = float(np.sqrt((left**2).sum() / ((n_vec - 2) * left.shape[1]))) / unit
    adc = tile.adc
    rounding: dict[str, float] = {"out_bound": 0.0, "out_res": -1.0}
    if isinstance(adc, LinearAdc):
        rounding = {
            "out_bound": adc.charge_full_scale_coulomb / unit,
            "out_res": float(2**adc.adc_bits - 2),
        }
    return {
        "schema_version": "tilemodel-export-aihwkit-lightning-1",
        "written_by": f"tilemodel {VERSION}",
        "target": TARGET_VERSION,
        "tile": {"name": tile.name, "sha256": tile.sha256()},
        "mapping": {"max_input_size": tile.array.n_row},
        "forward": {"inp_res": float(2**drive.input_bits - 2), "out_noise": out_noise, **rounding},
        "modifier": {"std_dev": _weight_sigma(probe, unit)},
        "units": {"charge_per_output_coulomb": unit},
    }


def _weight_sigma(probe: Probe, unit_coulomb: float) -> float:
    """Standard deviation of a weight, relative to the largest, that gives the outputs the noise that the cells do."""
    noise = probe.tile.noise
    kinds = [kind for kind in NOISE_KINDS if noise is not None and getattr(noise, kind) is not None]
    if not kinds:
        return 0.0
    rms_coulomb = probe.errors_of_noise(kinds).rms_percent / 100 * probe.full_scale_coulomb
    inputs = probe.ticks / probe.tile.drive.n_tick_max
    power = float((inputs**2).sum(axis=1).mean())
    return rms_coulomb / unit_coulomb / np.sqrt(power) if power > 0 else 0.0
