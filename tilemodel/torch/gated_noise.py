"""Read noise of layers on gated tiles: lines' deviations to first order, about the states of every vector.

A line's charge moves with an active cell's conductance by w_i^2 a volt and tick, w_i the cell's transfer in the states
that the vector leads through: what a cell's deviation counts for depends on the vector. Derivation: docs/torch.md.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from tilemodel.torch.gated import solver_of
from tilemodel.torch.quantization import TorchPass
from tilemodel.torch.read_noise import ReadNoise, cell_terms, drawn

__all__ = ["gated_deviations"]


def gated_deviations(
    noise: ReadNoise, g: Tensor, passes: list[TorchPass], handle: int, generator: torch.Generator
) -> list[Tensor]:
    """Deviations of the charges in each of the `passes`, [K, n_vec, L], of memory elements `g` [K, n_row, L], drawn."""
    cells, tile = g.detach(), solver_of(handle).geometry.tile
    g_max = tile.conductance.g_max_siemens
    of_cells = cell_terms(noise.by_g, cells[None], g_max, [1.0], torch.ones_like(cells))
    n_tick = torch.stack([each.area.detach() for each in passes])
    tables = noise.tables()
    longest = max(table.shape[1] for table in tables.values())
    of_ticks = torch.stack([pad(table.T, (0, 0, 0, longest - table.shape[1])) for table in tables.values()])
    flat = [number for which in tables for number in which]
    covariances = _covariances(n_tick, of_ticks, of_cells, cells, flat, handle)
    found = dict(zip([which[:2] for which in tables], covariances.unbind(0), strict=True))
    unit = g_max * tile.v_read_volt * tile.drive.t_lsb_second  # whose square float32 might not hold
    return [each * unit for each in drawn(lambda p, q: found.get((p, q)), len(passes), generator)]


@torch.library.custom_op("tilemodel::gated_covariances", mutates_args=())
def _covariances(
    n_tick: Tensor, of_ticks: Tensor, of_cells: Tensor, g: Tensor, which: list[int], handle: int
) -> Tensor:
    """[n_pair, K, n_vec, L] of pulses n_tick [n_pass, n_vec, K, n_row]; others as `CellNoise`, `which` its pairs."""
    solver = solver_of(handle)
    ticks, pairs = np.stack([solver.ticks(each) for each in n_tick]), np.array(which).reshape(-1, 3)
    by_ticks, by_cell, tiles = of_ticks.cpu().numpy(), of_cells.cpu().numpy(), solver.fast(g)
    found = [tiles.covariances(k, ticks[:, :, k], pairs, by_ticks, by_cell[:, k]) for k in range(len(g))]
    return torch.from_numpy(np.stack(found, axis=1)).to(g)


@_covariances.register_fake
def _(n_tick: Tensor, of_ticks: Tensor, of_cells: Tensor, g: Tensor, which: list[int], handle: int) -> Tensor:
    del of_ticks, of_cells, handle
    return g.new_empty((len(which) // 3, g.shape[0], n_tick.shape[1], g.shape[2]))
