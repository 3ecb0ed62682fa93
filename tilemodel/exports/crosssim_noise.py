"""Noise of the tile as `TileDevice` of `exports/modules/crosssim_tile.py` draws it, and what one sigma leaves out.

Conductances are in units of the largest one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.passes import tile_passes
from tilemodel.exports.probe import Probe
from tilemodel.exports.target import Loss
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows

__all__ = ["mean_read_variance", "noise_values", "read_lost"]

FloatArray = NDArray[np.float64]


def noise_values(probe: Probe) -> dict[str, Any]:
    """The laws of `[noise]`; None where there is none."""
    noise, g_max = probe.tile.noise, probe.tile.conductance.g_max_siemens
    values: dict[str, Any] = dict.fromkeys(("read_variance", "programming", "drift", "long_term", "faults", "spread"))
    if noise is None:
        return values
    if tile_process(noise) is not None:
        c0, c1, c2 = (float(c) for c in mean_read_variance(probe))
        values["read_variance"] = [c0 / g_max**2, c1 / g_max, c2]
    if noise.programming is not None:
        law, ratio = noise.programming, g_max / noise.programming.g_reference_siemens
        values["programming"] = [c * ratio**power / g_max for power, c in enumerate(law.coefficients_siemens)]
    for name in ("drift", "long_term"):
        table = getattr(noise, name)
        if table is not None:
            plain = table.model_dump(mode="json")
            values[name] = {**plain, "g_reference": plain.pop("g_reference_siemens") / g_max}
    if noise.faults is not None:
        values["faults"] = {
            "low_fraction": noise.faults.stuck_low_fraction,
            "low": noise.faults.stuck_low_siemens / g_max,
            "high_fraction": noise.faults.stuck_high_fraction,
            "high": noise.faults.stuck_high_siemens / g_max,
        }
    if noise.spread is not None:
        values["spread"] = noise.spread.conductance_sigma
    return values


def _row_read_variance(probe: Probe) -> FloatArray:
    """Variance of a row's read noise in tick times conductance, all passes, per power of G: [3, n_vec, n_row]."""
    tile, noise = probe.tile, probe.tile.noise
    assert noise is not None
    process = tile_process(noise)
    assert process is not None
    drives = tile_passes(tile, probe.ticks)
    windows = ReadWindows.of_passes(tile, noise, process, drives)
    total = np.zeros((3, *probe.ticks.shape))
    for p, first in enumerate(drives):
        for q in range(p, len(drives)):
            second = drives[q]
            covariance = windows.covariance(p, first.n_tick, q, second.n_tick)
            weight = (1 if p == q else 2) * first.factor * second.factor
            total += weight * first.tick_area * second.tick_area * covariance
    return total


def mean_read_variance(probe: Probe) -> FloatArray:
    """Variance of a cell per power of G, [3]: the one with which the probe's outputs have their own mean variance."""
    squares = float((probe.ticks.astype(np.float64) ** 2).sum())
    mean: FloatArray = _row_read_variance(probe).sum(axis=(1, 2)) / max(squares, 1.0)
    return mean


def read_lost(probe: Probe) -> list[Loss]:
    """One sigma for pulses of all lengths: by how much the outputs' standard deviations are off, on ideal wires."""
    tile, noise = probe.tile, probe.tile.noise
    if noise is None or tile_process(noise) is None:
        return []
    powers = np.stack(
        [sum(np.where(g > 0, g**power, 0.0) for g in probe.conductances.arrays().values()) for power in range(3)]
    )
    squares = probe.ticks.astype(np.float64) ** 2
    ours = np.einsum("kvr,krc->vc", _row_read_variance(probe), powers)
    theirs = np.einsum("k,vr,krc->vc", mean_read_variance(probe), squares, powers)
    ratio = float(getattr(tile.read_out.circuit, "ratio", 1.0))
    unit = ratio * tile.v_read_volt * tile.drive.t_lsb_second
    off = (np.sqrt(np.maximum(theirs, 0.0)) - np.sqrt(np.maximum(ours, 0.0))) * unit
    names = [f"[noise.{name}]" for name in ("read", "telegraph") if getattr(noise, name) is not None]
    return [
        Loss(
            quantity="durations of read noise",
            value=", ".join(names),
            done="TileDevice: sigma(G) as fitted, but for pulses of all lengths the mean over the probe; "
            "the error is that of the outputs' standard deviation",
            errors=probe.errors(probe.charge_coulomb + off),
        )
    ]
