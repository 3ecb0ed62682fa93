"""A programmed `gated_1t1r` tile, computed event by event. Derivation: docs/gated_1t1r.md."""

import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout, lines_read_north
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.passes import Pass
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.gated_lines import Accuracy, GatedCircuit, GatedLines
from tilemodel.network import NetworkTile
from tilemodel.parameters import GatedParameters
from tilemodel.programmed import LineCharges, LineCurrents
from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = ["GatedTile", "cell_conductance"]

FloatArray = NDArray[np.float64]

# Rounding of the events' sums
_ROUNDING = 1e-12


class GatedTile:
    """Cell conductances and pulse charges of a tile with its conductances written.

    For Ohmic memory elements, one source line and clamps that agree: all cells then see the same voltage, which
    makes one pass over the line an event enough. What else there is, `NetworkTile` solves.
    """

    def __init__(
        self,
        tile: TileConfig,
        cells: CellLayout,
        chip: ChipDraw,
        parameters: GatedParameters,
        accuracy: Accuracy = None,
    ) -> None:
        self._tile, self._parameters = tile, parameters
        self._network = NetworkTile(tile, cells, chip, parameters)
        self._north = lines_read_north(tile)
        g_memory = cells.g_siemens[0]
        r_access = parameters.r_access_ohm * chip.access_resistance_factor
        self._g = cell_conductance(g_memory, r_access, parameters.r_access_slope_ohm_per_ampere, tile.v_read_volt)
        self._pulse = (
            parameters.q_pulse_coulomb
            + parameters.q_pulse_coulomb_per_siemens * g_memory
            + parameters.q_pulse_coulomb_per_siemens2 * g_memory**2
        )
        self._allowed_coulomb: float | None = None
        self._ends = [
            (lines, step, self._lines(lines, step, accuracy))
            for lines, step in ((~self._north, 1), (self._north, -1))
            if lines.any()
        ]

    def _lines(self, lines: NDArray[np.bool_], step: int, accuracy: Accuracy) -> GatedLines:
        tile, parameters = self._tile, self._parameters
        g = self._g[::step, lines]
        return GatedLines(
            g,
            parameters.r_access_slope_ohm_per_ampere * g**3,
            self._pulse[::step, lines],
            GatedCircuit(
                c_pulse_farad=parameters.c_pulse_farad,
                r_ohm=parameters.r_bit_line_ohm,
                r_end_ohm=end_resistance_ohm(tile),
                c_farad=tile.wires_in_use.c_bit_line_farad,
                v_read_volt=tile.v_read_volt,
                t_lsb_second=tile.drive.t_lsb_second,
                lines_per_column=tile.lines_per_column,
            ),
            accuracy,
            tile.drive.n_tick_max,
        )

    def within(self, allowed_coulomb: float) -> "GatedTile":
        """The same tile, lumped as coarsely as this error of a column's charge in one pass allows."""
        lumped = copy.copy(self)
        lumped.__dict__["_bounds"] = self._bounds  # computed once for all copies
        lumped._allowed_coulomb = allowed_coulomb
        return lumped

    def charges(self, drive: Pass) -> LineCharges:
        """Charge of every bit line over the window of a pass."""
        charge, lumping = np.empty((2, len(drive.n_tick), self._g.shape[1]))
        for lines, step, gated in self._ends:
            charge[:, lines], lumping[:, lines] = gated.charges(drive.n_tick[:, ::step], self._allowed_coulomb)
        return LineCharges(charge_coulomb=charge, error_bound_coulomb=lumping + self._error_bound(drive, charge))

    def currents(self, drive: Pass) -> LineCurrents:
        """Currents tick by tick."""
        return self._network.currents(drive)

    def rest_current_ampere(self) -> FloatArray:
        """Currents without a pulse, [n_line]."""
        return self._network.rest_current_ampere()

    def _error_bound(self, drive: Pass, charge: FloatArray) -> FloatArray:
        """Of the capacitors' term, which slow edges take away, and of the curvature's second order.

        All are largest with all cells on. A node's transfer falls from 1 to w and rises back, so that the sum of its
        squared steps is at most 2 (1 - w)^2. With k = rho g^2 V, conduction leaves k^2 of the current, and a pulse's
        charge goes through the tangents' network, whose conductances are smaller by k (docs/gated_1t1r.md).
        """
        capacitors, second_order, pulse_ends = self._bounds
        bound: FloatArray = (
            capacitors + drive.n_tick @ second_order + (drive.n_tick > 0) @ pulse_ends + _ROUNDING * np.abs(charge)
        )
        return bound

    @cached_property
    def _bounds(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of the capacitors [n_line], of the curvature a tick and of a pulse's end [n_row, n_line], in coulomb."""
        tile, parameters, v = self._tile, self._parameters, self._tile.v_read_volt
        ordered = np.where(self._north, self._g[::-1], self._g)
        transfer, _ = transfer_to_clamp(ordered, parameters.r_bit_line_ohm, end_resistance_ohm(tile))
        lost = 1.0 - np.where(self._north, transfer[::-1], transfer)
        bend = np.abs(parameters.r_access_slope_ohm_per_ampere) * self._g**2 * v
        injected = np.abs(self._pulse) + np.abs(parameters.c_pulse_farad) * v
        return (
            v * tile.wires_in_use.c_bit_line_farad * (lost**2).sum(axis=0),
            2.0 * bend**2 * self._g * v * lost * tile.drive.t_lsb_second,
            2.0 * bend.max(axis=0) * lost * injected,
        )


def cell_conductance(
    g_memory: FloatArray, r_access_ohm: FloatArray | float, slope_ohm_per_ampere: float, v_volt: float
) -> FloatArray:
    """Conductance i / v [siemens] of active cells at the voltage `v_volt`, for memory elements `g_memory`, any shape.

    Solves v = i (1/G + r_access + slope i). Raises `InputError` where a negative slope leaves no solution.
    """
    linear = g_memory / (1.0 + g_memory * r_access_ohm)
    discriminant = 1.0 + 4.0 * slope_ohm_per_ampere * linear**2 * v_volt
    if np.any(discriminant < 0):
        raise InputError(
            f"r_access_slope_ohm_per_ampere = {slope_ohm_per_ampere:g}: no current solves the cell's equation at "
            f"{v_volt} V"
        )
    # slope i^2 + i / linear - v = 0, written without cancellation
    result: FloatArray = 2.0 * linear / (1.0 + np.sqrt(discriminant))
    return result
