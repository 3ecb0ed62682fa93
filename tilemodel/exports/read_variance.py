"""Read noise of the probe's outputs, on ideal wires: what targets that draw it otherwise than the tile leave out."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.passes import tile_passes
from tilemodel.exports.bare import one_pair
from tilemodel.exports.probe import Errors, Probe
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows

__all__ = ["mean_read_variance", "row_read_variance", "sigma_errors"]

FloatArray = NDArray[np.float64]


def row_read_variance(probe: Probe, *, between_passes: bool = True) -> FloatArray:
    """Variance of what a row's cell reads, in ticks times conductance, all passes, per power of G: [3, n_vec, n_row].

    Without `between_passes`, as if the passes' noise were independent.
    """
    tile, noise = probe.tile, probe.tile.noise
    assert noise is not None
    process = tile_process(noise)
    assert process is not None
    drives = tile_passes(tile, probe.ticks)
    windows = ReadWindows.of_passes(tile, noise, process, drives)
    total = np.zeros((3, *probe.ticks.shape))
    for p, first in enumerate(drives):
        for q in range(p, len(drives) if between_passes else p + 1):
            second = drives[q]
            covariance = windows.covariance(p, first.n_tick, q, second.n_tick)
            weight = (1 if p == q else 2) * first.factor * second.factor
            total += weight * first.tick_area * second.tick_area * covariance
    return total


def mean_read_variance(probe: Probe) -> FloatArray:
    """Variance of a cell per power of G, [3]: the one with which the probe's outputs have their own mean variance."""
    squares = float((probe.ticks.astype(np.float64) ** 2).sum())
    mean: FloatArray = row_read_variance(probe).sum(axis=(1, 2)) / max(squares, 1.0)
    return mean


def sigma_errors(probe: Probe, row_variance: FloatArray) -> Errors:
    """By how much the outputs' standard deviations are off if a target has `row_variance` [3, n_vec, n_row]."""
    arrays = one_pair(probe.conductances).arrays().values()
    powers = np.stack([sum(np.where(g > 0, g**power, 0.0) for g in arrays) for power in range(3)])
    ours, theirs = (
        np.sqrt(np.maximum(np.einsum("kvr,krc->vc", variance, powers), 0.0))
        for variance in (row_read_variance(probe), row_variance)
    )
    tile = probe.tile
    unit = float(getattr(tile.read_out.circuit, "ratio", 1.0)) * tile.v_read_volt * tile.drive.t_lsb_second
    return probe.errors(probe.charge_coulomb + (theirs - ours) * unit)
