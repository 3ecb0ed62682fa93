"""Read noise as aihwkit's `TorchSimulatorTileIRDropT` draws it, with its shortcuts; for comparisons.

The shortcuts (aihwkit 1.1.0, `_apply_xdep_pcm_read_noise`): the mean |x| of the whole batch is taken for the duration
of every pulse of a pass; |G+ - G-| is perturbed in place of G+ and G-, so that a zero weight (sign 0) has no noise;
all vectors of the batch see the same draw; each pass of a split or bit-wise read has a draw of its own.
"""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig, PolynomialReadNoise
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig
from tilemodel.noise.read_noise import law_sigma_siemens

__all__ = ["aihwkit_read"]

IntArray = NDArray[np.int64]


def aihwkit_read(
    tile: TileConfig, noise: NoiseConfig, conductances: Conductances, ticks: IntArray, rng: np.random.Generator
) -> Conductances:
    """Conductances of one pass of a batch, drawn as aihwkit draws them, for the pass's `ticks` [n_vec, n_row].

    The smaller of a pair stays as it is and the larger one takes the difference. Raises `InputError` for a law of
    another form, a second pair, or a batch of zeros (where aihwkit leaves its duration unset).
    """
    law = noise.read
    if not isinstance(law, PolynomialReadNoise):
        raise InputError("aihwkit's read noise needs [noise.read] kind = 'polynomial'")
    if conductances.g_minor_plus is not None:
        raise InputError("aihwkit's read noise knows one pair of cells a weight, not two")
    mean_tick = float(np.abs(ticks).mean())
    if mean_tick == 0:
        raise InputError(
            "aihwkit's read noise takes the mean |x| of the batch for the duration of a read; it is 0 here"
        )
    difference = conductances.g_plus - conductances.g_minus
    magnitude = np.abs(difference)
    sigma = law_sigma_siemens(law, magnitude, mean_tick * tile.drive.t_lsb_second)
    noisy = np.sign(difference) * (magnitude + sigma * rng.standard_normal(magnitude.shape))
    common = np.minimum(conductances.g_plus, conductances.g_minus)
    return Conductances(g_plus=common + np.maximum(noisy, 0.0), g_minus=common + np.maximum(-noisy, 0.0))
