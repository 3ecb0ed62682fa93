"""IR drop: what wires, drivers, terminals and clamps take of each cell's voltage. Definition: docs/reports.md."""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.parameters import AnyParameters, DrivenParameters
from tilemodel.solvers.nodal import nodal_solution

__all__ = ["ir_drop_percent"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The sparse system takes about a kilobyte a node where rails resist; beyond, one vector stands for all
_MANY_CELLS = 2**16


def ir_drop_percent(
    tile: TileConfig, conductances: Conductances, ticks: IntArray, parameters: AnyParameters
) -> FloatArray:
    """Largest IR drop of each cell over the batch `ticks` [n_vec, n_row], in % of the cell's read voltage.

    [n_row, n_line]. Every row that has an input conducts at once, at full height, as at the start of the pulses; with
    signs in two phases each phase for itself. Cells and access devices are resistors. Negative where other cells pull
    the line to the cell's side.
    """
    signs = np.sign(ticks if conductances.g_plus.size <= _MANY_CELLS else ticks[:1])
    if tile.drive.sign == "two_phase":
        signs = np.concatenate((np.maximum(signs, 0), np.maximum(-signs, 0)))
    signs = signs[np.abs(signs).any(axis=1)]
    cells, wires = cell_layout(tile, conductances), tile.wires_in_use
    driven = parameters if isinstance(parameters, DrivenParameters) else None
    g = cells.g_siemens * (driven.g_factor if driven else 1.0)
    rest, swing, gates = (np.array(item) for item in (cells.rest_volt, cells.swing_volt, cells.gate_sign))
    if not isinstance(parameters, DrivenParameters):
        access = np.array([law.r_ohm for law in parameters.access_laws()])[:, np.newaxis, np.newaxis]
        g = g / (1 + g * access)
    worst: FloatArray = np.full(g.shape[1:], -np.inf if len(signs) else 0.0)
    for sign in signs:
        active = np.where(gates[:, np.newaxis] == 0, sign != 0, sign == gates[:, np.newaxis])  # [n_rail, n_row]
        connected = active | (gates[:, np.newaxis] == 0)
        volt = rest[:, np.newaxis] + swing[:, np.newaxis] * sign
        solution = nodal_solution(
            g * connected[:, :, np.newaxis],
            volt[np.newaxis],
            np.full(g.shape[2], tile.read_out.v_clamp_volt),
            r_bit_ohm=parameters.r_bit_line_ohm,
            r_end_ohm=end_resistance_ohm(tile),
            r_row_ohm=wires.r_row_ohm if driven is None else driven.r_row_ohm,
            r_driver_ohm=wires.r_driver_ohm,
            driven_end=wires.row_driven_end,
            north=lines_read_north(tile),
        )
        ideal = (volt - tile.read_out.v_clamp_volt)[:, :, np.newaxis]
        across = solution.rail_volt[0] - solution.line_volt[0]
        drop = 100 * np.sign(ideal) * (ideal - across) / tile.v_read_volt
        counted = active[:, :, np.newaxis] & (cells.g_siemens > 0)
        worst = np.maximum(worst, np.where(counted, drop, -np.inf).max(axis=0))
    return np.where(np.isfinite(worst), worst, 0.0)
