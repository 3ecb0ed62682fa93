"""Noise of the tile as `TileDevice` of `exports/modules/crosssim_tile.py` draws it, and what one sigma leaves out.

Conductances are in units of the largest one.
"""

from typing import Any

import numpy as np

from tilemodel.exports.probe import Probe
from tilemodel.exports.read_variance import mean_read_variance, sigma_errors
from tilemodel.exports.target import Loss
from tilemodel.noise.read_noise import tile_process

__all__ = ["noise_values", "read_lost"]


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


def read_lost(probe: Probe) -> list[Loss]:
    """One sigma for pulses of all lengths."""
    noise = probe.tile.noise
    if noise is None or tile_process(noise) is None:
        return []
    squares = probe.ticks.astype(np.float64) ** 2
    names = [f"[noise.{name}]" for name in ("read", "telegraph") if getattr(noise, name) is not None]
    return [
        Loss(
            quantity="durations of read noise",
            value=", ".join(names),
            done="TileDevice: sigma(G) as fitted, but for pulses of all lengths the mean over the probe; "
            "the error is that of the outputs' standard deviation",
            errors=sigma_errors(probe, np.multiply.outer(mean_read_variance(probe), squares)),
        )
    ]
