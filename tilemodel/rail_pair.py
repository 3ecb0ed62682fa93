"""A programmed `rail_pair` tile: q = x W_eff + offset, exact for any wire resistance and capacitance.

Derivation: docs/rail_pair.md.
"""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.operands import Conductances, lines_read_north
from tilemodel.config.tile import RailPairCell, TileConfig
from tilemodel.parameters import RailPairParameters
from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = ["RailPairTile"]

FloatArray = NDArray[np.float64]


class RailPairTile:
    """The effective matrix of a tile with its conductances written."""

    def __init__(
        self, tile: TileConfig, cell: RailPairCell, conductances: Conductances, parameters: RailPairParameters
    ) -> None:
        north = lines_read_north(tile)
        total = _far_end_first(conductances.g_plus + conductances.g_minus, north)
        transfer, y_in = transfer_to_clamp(total, parameters.r_bit_line_ohm)
        difference = conductances.g_plus - conductances.g_minus
        per_tick = parameters.v_read_volt * tile.pwm.t_lsb_second
        self.w_eff_coulomb_per_tick: FloatArray = difference * _far_end_first(transfer, north) * per_tick
        """[n_row, n_col]"""
        self.offset_coulomb: FloatArray = y_in * ((cell.v_common_volt - parameters.v_clamp_volt) * tile.t_window_second)
        """[n_col]: the clamp's deviation from the common voltage drives the whole line for the whole window."""

    def charges(self, ticks: NDArray[np.int64]) -> FloatArray:
        """Charge of every bit line [coulomb], [n_vec, n_col], for `ticks` [n_vec, n_row]."""
        result: FloatArray = ticks.astype(np.float64) @ self.w_eff_coulomb_per_tick + self.offset_coulomb
        return result


def _far_end_first(per_cell: FloatArray, north: NDArray[np.bool_]) -> FloatArray:
    """Reverse the rows of lines read at their north end (and, applied again, back)."""
    return np.where(north, per_cell[::-1], per_cell)
