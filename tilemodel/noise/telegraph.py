"""Random telegraph noise, jump by jump: what single trapped cells do (their mean spectrum: `read_noise`)."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.noise import TelegraphNoise

__all__ = ["telegraph_means"]

FloatArray = NDArray[np.float64]


def telegraph_means(
    law: TelegraphNoise, g_siemens: FloatArray, edges_second: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Deviation from the mean of cells `g_siemens` [...] as means over successive intervals [siemens], [n, ...].

    `edges_second` [n + 1] rise. A share of the cells has a trap; the state changes at random times, exactly, so that
    an interval may hold many jumps.
    """
    g = np.asarray(g_siemens, dtype=np.float64)
    edges, length = edges_second - edges_second[0], np.diff(edges_second)
    result = np.zeros((length.size, g.size))
    trapped = np.flatnonzero(rng.random(g.size) < law.cell_fraction)
    p_high = law.t_high_second / (law.t_high_second + law.t_low_second)
    for cell in trapped:
        high_time = _time_in_high(law, edges, bool(rng.random() < p_high), rng)
        result[:, cell] = g.flat[cell] * law.amplitude * (np.diff(high_time) / length - p_high)
    return result.reshape(length.size, *g.shape)


def _time_in_high(
    law: TelegraphNoise, edges: NDArray[np.floating], starts_high: bool, rng: np.random.Generator
) -> FloatArray:
    """Time spent in the high state up to each of `edges` [second], [n_edge]."""
    t_stop = edges[-1]
    mean = np.array([law.t_high_second, law.t_low_second])[:: 1 if starts_high else -1]
    cycles = int(np.ceil(t_stop / mean.sum())) + 8
    corners, high = [np.zeros(1)], [np.zeros(1)]
    while corners[-1][-1] < t_stop:
        stay = rng.exponential(np.tile(mean, cycles))
        is_high = np.tile([starts_high, not starts_high], cycles)
        corners.append(corners[-1][-1] + np.cumsum(stay))
        high.append(high[-1][-1] + np.cumsum(np.where(is_high, stay, 0.0)))
    result: FloatArray = np.interp(edges, np.concatenate(corners), np.concatenate(high))
    return result
