"""A tile whose cells always conduct and obey Ohm's law: q = area W_eff + offset, exact for any wire R and C.

Derivations: docs/rail_pair.md (ideal row conductors), docs/mesh.md (row conductors with resistance).
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.layout import CellLayout, lines_read_north
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.passes import Pass
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.parameters import DrivenParameters
from tilemodel.programmed import LineCharges, LineCurrents
from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = ["LinearTile"]

FloatArray = NDArray[np.float64]

# Rounding of sums over a column, relative to its largest charge
_ROUNDING = 1e-13


class LinearTile:
    """The effective matrix of a tile with its conductances written."""

    def __init__(self, tile: TileConfig, cells: CellLayout, chip: ChipDraw, parameters: DrivenParameters) -> None:
        self._tile, self._parameters = tile, parameters
        self._g: FloatArray = cells.g_siemens * parameters.g_factor
        self._north = lines_read_north(tile)
        self._swing = np.array(cells.swing_volt) * (parameters.v_read_volt / tile.v_read_volt)
        wires = tile.wires_in_use
        if parameters.r_row_ohm == 0 and wires.r_driver_ohm == 0:
            total = _far_end_first(self._g.sum(axis=0), self._north)
            transfer, y_in = transfer_to_clamp(total, parameters.r_bit_line_ohm, end_resistance_ohm(tile))
            self._capacitance: FloatArray = wires.c_bit_line_farad * (transfer**2).sum(axis=0)
            per_rail = self._g * _far_end_first(transfer, self._north)
            self.conductance_siemens = np.diag(y_in)
        else:
            # scipy.linalg takes a quarter of a second that ladders need not pay
            from tilemodel.solvers.mesh import mesh_transfer

            self._capacitance = np.full(self._g.shape[2], tile.array.n_row * wires.c_bit_line_farad)
            per_rail, self.conductance_siemens = mesh_transfer(
                self._g,
                r_bit_ohm=parameters.r_bit_line_ohm,
                r_end_ohm=end_resistance_ohm(tile),
                r_row_ohm=parameters.r_row_ohm,
                r_driver_ohm=wires.r_driver_ohm,
                driven_end=wires.row_driven_end,
                north=self._north,
            )
        # [n_line, n_line]: what a line's clamp current changes by with each clamp's voltage
        self.cell_ampere: FloatArray = self._swing[:, np.newaxis, np.newaxis] * per_rail
        """Clamp current that a row of pulse height 1 adds through each of its cells, [n_rail, n_row, n_line]."""
        self.w_eff_ampere: FloatArray = np.einsum("k,kil->il", self._swing, per_rail)
        """Clamp current a row of pulse height 1 adds, [n_row, n_line]."""
        drop = cells.rest_volt[0] - parameters.v_clamp_volt - chip.clamp_offset_volt
        self.offset_ampere: FloatArray = self.conductance_siemens @ drop
        """[n_line]: the clamps' deviation from the common voltage drives the whole line all the time."""

    @cached_property
    def w_eff_coulomb_per_tick(self) -> FloatArray:
        """Effective matrix in charge a tick, [n_row, n_line]."""
        scaled: FloatArray = self.w_eff_ampere * self._tile.drive.t_lsb_second
        return scaled

    def charges(self, drive: Pass) -> LineCharges:
        """Charge of every bit line over the window of a pass."""
        window = self._tile.t_window_second(drive.n_tick_max)
        charge = drive.tick_area @ self.w_eff_coulomb_per_tick + self.offset_ampere * window
        largest = max(charge.max(initial=0.0), -charge.min(initial=0.0))
        bound = np.broadcast_to(_ROUNDING * largest, charge.shape)
        if self._tile.read_out.window == "cut":
            correction, dropped = self._cut(drive, window)
            charge, bound = charge + correction, bound + dropped
        return LineCharges(charge_coulomb=charge, error_bound_coulomb=bound)

    def currents(self, drive: Pass) -> LineCurrents:
        """Currents tick by tick: each row adds its own while its pulse lasts."""
        n_vec, n_row = drive.n_tick.shape
        change = np.zeros((n_vec, drive.n_tick_max + 2, n_row))
        change[:, 1] = drive.height
        vectors, rows = np.indices((n_vec, n_row))
        change[vectors, 1 + drive.n_tick, rows] -= drive.height
        height = np.cumsum(change, axis=1)[:, :-1]
        current = height @ self.w_eff_ampere + self.offset_ampere
        area = np.abs(current).sum(axis=1) * self._tile.drive.t_lsb_second
        return LineCurrents(
            current_ampere=current,
            conductance_siemens=np.broadcast_to(np.diag(self.conductance_siemens), current.shape),
            released_coulomb=np.zeros(current.shape),
            capacitance_farad=self._capacitance,
            is_linear=True,
            error_bound_coulomb=_ROUNDING * area,
        )

    def rest_current_ampere(self) -> FloatArray:
        """Currents without a pulse, [n_line]."""
        return self.offset_ampere

    def _cut(self, drive: Pass, window: float) -> tuple[FloatArray, FloatArray]:
        """What the end of the window cuts off [coulomb], and a bound of what that leaves out, each [n_vec, n_line]."""
        from tilemodel.solvers.tail import CutTail, PulseTiming

        timing = self._tile.drive
        total: FloatArray = self._g.sum(axis=0)
        driven: FloatArray = np.einsum("k,kil->il", self._swing, self._g)
        cut, dropped = np.zeros((2, len(drive.n_tick), total.shape[1]))
        for lines, step in ((~self._north, 1), (self._north, -1)):
            if not lines.any():
                continue
            tail = CutTail(
                total[::step, lines],
                driven[::step, lines],
                r_ohm=self._parameters.r_bit_line_ohm,
                r_end_ohm=end_resistance_ohm(self._tile),
                c_farad=self._tile.wires_in_use.c_bit_line_farad,
                v_volt=1.0,
                timing=PulseTiming(
                    t_start_second=timing.t_start_second,
                    t_lsb_second=timing.t_lsb_second,
                    t_edge_second=timing.t_edge_second,
                    t_window_second=window,
                ),
                n_tick_max=drive.n_tick_max,
            ).charges(drive.n_tick[:, ::step], drive.height[:, ::step])
            cut[:, lines], dropped[:, lines] = tail.charge_coulomb, tail.dropped_coulomb
        return cut, dropped


def _far_end_first(per_cell: FloatArray, north: NDArray[np.bool_]) -> FloatArray:
    """Reverse the rows of lines read at their north end (and, applied again, back)."""
    return np.where(north, per_cell[::-1], per_cell)
