"""When the cells of each row are read: the windows of all passes, and the read noise's covariances for them.

A cell counts while its row's pulse lasts: a window of n ticks that starts with the pass's pulses. Values depend on
the number of ticks alone, so that they are computed once for all numbers that a pass can have.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.noise import NoiseConfig
from tilemodel.config.passes import Pass
from tilemodel.config.tile import TileConfig
from tilemodel.noise.process import LorentzianNoise

__all__ = ["ReadWindows"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ReadWindows:
    """Covariance of the read noise between the passes of one input vector."""

    process: LorentzianNoise
    t_lsb_second: float
    start_second: FloatArray
    """Of each pass's pulses, [n_pass]."""

    @classmethod
    def of_passes(
        cls, tile: TileConfig, noise: NoiseConfig, process: LorentzianNoise, drives: list[Pass]
    ) -> "ReadWindows":
        """The windows of `drives`, one after the other."""
        lengths = [tile.t_window_second(drive.n_tick_max) + noise.t_between_passes_second for drive in drives]
        start = np.concatenate([[0.0], np.cumsum(lengths[:-1])])
        return cls(process=process, t_lsb_second=tile.drive.t_lsb_second, start_second=start)

    def covariance(self, p: int, n_tick_p: IntArray, q: int, n_tick_q: IntArray) -> FloatArray:
        """Covariance of cells' means in the passes p <= q, per power of G, [3, ...]; 0 where a row has no pulse.

        `n_tick_p`, `n_tick_q` [...] are the lengths of the rows' pulses.
        """
        first, last = int(n_tick_p.max(initial=0)) + 1, int(n_tick_q.max(initial=0)) + 1
        duration = self.t_lsb_second * np.arange(max(first, last))
        if p == q:
            table = np.zeros((3, first))
            table[:, 1:] = self.process.window_variance(duration[1:first])
            return table[:, n_tick_p]
        between = self.start_second[q] - self.start_second[p] - duration[1:first, np.newaxis]
        table = np.zeros((3, first, last))
        table[:, 1:, 1:] = self.process.window_covariance(duration[1:first, np.newaxis], between, duration[1:last])
        return table[:, n_tick_p, n_tick_q]
