"""Covariance between the columns' read noise where rows resist: a cell's current pulls at its row's voltage.

A cell that deviates by d carries d times its voltage u more from its rail to its line. By reciprocity the share of a
current into a node that reaches clamp m is the node's voltage psi when clamp m is at 1 V and all sources at 0. So
dq_m = (psi_line - psi_rail) u d, here from the voltages of all nodes, including what IR drop does to u.
"""

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.operands import combine_lines
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.read_out import MirrorReadOut
from tilemodel.ends import end_resistance_ohm
from tilemodel.model import TileModel
from tilemodel.noise.cells import refuse_nonlinear
from tilemodel.noise.noisy_tile import noise_of
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.parameters import DrivenParameters
from tilemodel.solvers.nodal import NodalSolution, nodal_solution

__all__ = ["covariance_fits", "read_covariance"]

FloatArray = NDArray[np.float64]

# Cells times lines: the memory of all sensitivities
_MAX_ENTRIES = 20_000_000


def read_covariance(model: TileModel, ticks: NDArray[np.int64]) -> FloatArray:
    """Covariance of the columns' charges from read to read [coulomb^2], [n_vec, n_col, n_col].

    For any wires; of ideal rows, `statistics.read_statistics` gives the variances faster. Raises `InputError` for a
    tile that is not linear or too large.
    """
    refuse_nonlinear(model, "covariance of the columns")
    noise, tile = noise_of(model), model.tile
    g = cell_layout(tile, model.conductances).g_siemens
    if not covariance_fits(model):
        raise InputError(
            f"tile {tile.name}: {g.size} cells times {g.shape[2]} lines are too many for the covariance of the columns "
            f"(limit {_MAX_ENTRIES:.0e}); use Monte Carlo draws, or a tile with fewer columns"
        )
    n_line, drives, process = g.shape[2], tile_passes(tile, ticks), tile_process(noise)
    total = np.zeros((len(ticks), n_line, n_line))
    if process is not None:
        windows = ReadWindows.of_passes(tile, noise, process, drives)
        share = _shares(model)
        voltages = [_cell_volt(model, drive) for drive in drives]
        for p, first in enumerate(drives):
            for q, second in list(enumerate(drives))[p:]:
                coefficient = windows.covariance(p, first.n_tick, q, second.n_tick)
                factor = first.factor * second.factor * (1 if p == q else 2)
                c0, c1, c2 = coefficient[:, :, np.newaxis, :, np.newaxis]
                at = factor * voltages[p] * voltages[q] * (c0 + (c1 + c2 * g) * g)
                total += np.einsum("mkil,vkil,nkil->vmn", share, at, share, optimize=True)
    columns = combine_lines(tile, combine_lines(tile, total).swapaxes(1, 2))
    return 0.5 * (columns + columns.swapaxes(1, 2))


def covariance_fits(model: TileModel) -> bool:
    """Whether the tile is small enough for `read_covariance`."""
    g = cell_layout(model.tile, model.conductances).g_siemens
    return bool(g.size * g.shape[2] <= _MAX_ENTRIES)


def _shares(model: TileModel) -> FloatArray:
    """Charge at clamp m for one of a cell's charge, [n_line, n_rail, n_row, n_line]."""
    n_rail, n_row, n_line = cell_layout(model.tile, model.conductances).g_siemens.shape
    unit = _solution(model, np.zeros((n_line, n_rail, n_row)), np.eye(n_line))
    share: FloatArray = unit.line_volt[:, np.newaxis] - unit.rail_volt
    circuit = model.tile.read_out.circuit
    if isinstance(circuit, MirrorReadOut):
        ratio = circuit.ratio * draw_chip(model.tile).mirror_ratio_factor
        share *= ratio[:, np.newaxis, np.newaxis, np.newaxis]
    return share


def _cell_volt(model: TileModel, drive: Pass) -> FloatArray:
    """Integral of each cell's voltage over the pass [volt second], [n_vec, n_rail, n_row, n_line]."""
    layout = cell_layout(model.tile, model.conductances)
    area = drive.tick_area * model.tile.drive.t_lsb_second
    v = area[:, np.newaxis] * np.array(layout.swing_volt)[np.newaxis, :, np.newaxis]
    state = _solution(model, v, np.zeros((len(area), layout.g_siemens.shape[2])))
    volt: FloatArray = state.rail_volt - state.line_volt[:, np.newaxis]
    return volt


def _solution(model: TileModel, v: FloatArray, v_clamp: FloatArray) -> NodalSolution:
    tile, parameters = model.tile, model.parameters
    assert isinstance(parameters, DrivenParameters)  # `refuse_nonlinear`
    wires = tile.wires_in_use
    return nodal_solution(
        cell_layout(tile, model.conductances).g_siemens * parameters.g_factor,
        v,
        v_clamp,
        r_bit_ohm=parameters.r_bit_line_ohm,
        r_end_ohm=end_resistance_ohm(tile),
        r_row_ohm=parameters.r_row_ohm,
        r_driver_ohm=wires.r_driver_ohm,
        driven_end=wires.row_driven_end,
        north=lines_read_north(tile),
    )
