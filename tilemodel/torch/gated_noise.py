"""Read noise of layers on gated tiles: lines' deviations to first order, about the states of every vector.

A line's charge moves with an active cell's conductance by w_i^2 a volt and tick, w_i the cell's transfer in the states
that the vector leads through: what a cell's deviation counts for depends on the vector. Derivation: docs/torch.md.
"""

import numpy as np
import torch
from torch import Tensor

from tilemodel.torch.gated import solver_of
from tilemodel.torch.quantization import TorchPass
from tilemodel.torch.read_noise import ReadNoise, cell_terms, drawn

__all__ = ["gated_deviations"]


def gated_deviations(
    noise: ReadNoise, g: Tensor, passes: list[TorchPass], handle: int, generator: torch.Generator
) -> list[Tensor]:
    """Deviations of the charges in each of the `passes`, [K, n_vec, L], of memory elements `g` [K, n_row, L], drawn.

    In units of the charge of the largest conductance during a tick.
    """
    cells = g.detach()
    g_max = solver_of(handle).geometry.tile.conductance.g_max_siemens
    of_cells = cell_terms(noise.by_g, cells[None], g_max, [1.0], torch.ones_like(cells))
    n_tick = torch.stack([each.area.detach() for each in passes]).to(torch.int32)
    of_rows = torch.stack([noise.of_rows((p, q), n_tick[p], n_tick[q]) for p, q in noise.pairs])
    flat = [number for pair in noise.pairs for number in pair]
    found = dict(zip(noise.pairs, _covariances(n_tick, of_rows, of_cells, cells, flat, handle).unbind(0), strict=True))
    return drawn(lambda p, q: found.get((p, q)), len(passes), generator)


@torch.library.custom_op("tilemodel::gated_covariances", mutates_args=())
def _covariances(n_tick: Tensor, of_rows: Tensor, of_cells: Tensor, g: Tensor, pairs: list[int], handle: int) -> Tensor:
    """[n_pair, K, n_vec, L] of pulses n_tick [n_pass, n_vec, K, n_row], of_rows [n_pair, n_term, n_vec, K, n_row]."""
    solver = solver_of(handle)
    ticks = np.stack([solver.ticks(each) for each in n_tick])
    rows = of_rows.permute(0, 2, 3, 4, 1)
    missing = ticks.shape[-1] - rows.shape[3]
    by_row = torch.nn.functional.pad(rows, (0, 0, 0, missing)).cpu().numpy()
    by_cell, which, tiles = of_cells.cpu().numpy(), np.array(pairs).reshape(-1, 2), solver.fast(g)
    found = [tiles.covariances(k, ticks[:, :, k], which, by_row[:, :, k], by_cell[:, k]) for k in range(len(g))]
    return torch.from_numpy(np.stack(found, axis=1)).to(g)


@_covariances.register_fake
def _(n_tick: Tensor, of_rows: Tensor, of_cells: Tensor, g: Tensor, pairs: list[int], handle: int) -> Tensor:
    del of_rows, of_cells, handle
    return g.new_empty((len(pairs) // 2, g.shape[0], n_tick.shape[1], g.shape[2]))
