"""A programmed `gated_1t1r` tile, computed event by event. Derivation: docs/gated_1t1r.md."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, line_conductances, line_count, lines_read_north
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import GatedParameters

__all__ = ["GatedTile", "cell_conductance"]

FloatArray = NDArray[np.float64]


class GatedTile:
    """Cell conductances and pulse charges of a tile with its conductances written."""

    def __init__(self, tile: TileConfig, conductances: Conductances, parameters: GatedParameters) -> None:
        self._tile, self._parameters = tile, parameters
        self._north = lines_read_north(tile)
        g_memory = line_conductances(tile, conductances)
        self._g = cell_conductance(g_memory, parameters, tile.v_read_volt)
        self._curvature = parameters.r_access_slope_ohm_per_ampere * self._g**3
        self._pulse = (
            parameters.q_pulse_coulomb
            + parameters.q_pulse_coulomb_per_siemens * g_memory
            + parameters.q_pulse_coulomb_per_siemens2 * g_memory**2
        )

    def charges(self, ticks: NDArray[np.int64]) -> FloatArray:
        """Charge of every bit line [coulomb], [n_vec, n_line], for `ticks` [n_vec, n_row]."""
        from tilemodel.solvers.gated import gated_charges  # numba: half a second that other tiles need not pay

        tile, parameters = self._tile, self._parameters
        charge = np.empty((len(ticks), line_count(tile)))
        for lines, step in ((~self._north, 1), (self._north, -1)):
            if not lines.any():
                continue
            charge[:, lines] = gated_charges(
                ticks[:, ::step],
                self._g[::step, lines],
                curvature=self._curvature[::step, lines],
                pulse_charge=self._pulse[::step, lines],
                c_pulse_farad=parameters.c_pulse_farad,
                r_ohm=parameters.r_bit_line_ohm,
                c_farad=tile.wires.c_bit_line_farad,
                v_read_volt=tile.v_read_volt,
                t_lsb_second=tile.pwm.t_lsb_second,
            )
        return charge


def cell_conductance(g_memory: FloatArray, parameters: GatedParameters, v_volt: float) -> FloatArray:
    """Conductance i / v [siemens] of active cells at the voltage `v_volt`, for memory elements `g_memory`, any shape.

    Solves v = i (1/G + r_access + slope i). Raises `InputError` where a negative slope leaves no solution.
    """
    slope = parameters.r_access_slope_ohm_per_ampere
    linear = g_memory / (1.0 + g_memory * parameters.r_access_ohm)
    discriminant = 1.0 + 4.0 * slope * linear**2 * v_volt
    if np.any(discriminant < 0):
        raise InputError(
            f"r_access_slope_ohm_per_ampere = {slope:g}: no current solves the cell's equation at {v_volt} V"
        )
    # slope i^2 + i / linear - v = 0, written without cancellation
    result: FloatArray = 2.0 * linear / (1.0 + np.sqrt(discriminant))
    return result
