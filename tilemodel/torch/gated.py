"""Charges of gated tiles: `tilemodel.gated_1t1r` or mean states forward, implicit differentiation backward.

A ladder's clamp current changes by v w_i^2 with the conductance of an active cell i, w its transfer: the network is
reciprocal, so the adjoint of its equations is their own solution. With an `accuracy`, the gradient is that of mean
states.
"""

import itertools
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.config.cell import GatedCell
from tilemodel.config.layout import CellLayout
from tilemodel.config.passes import Pass
from tilemodel.gated_1t1r import GatedTile
from tilemodel.parameters import GatedParameters
from tilemodel.torch.gated_fast import FINEST_ACCURACY, FastTiles, active_cells
from tilemodel.torch.geometry import Geometry

__all__ = ["GatedSolver", "gated_charges", "solver_of"]

# Largest tensor of the gradient's states [numbers]
_MAX_STATES = 2**24
_HANDLE = itertools.count()
_SOLVERS: "WeakValueDictionary[int, GatedSolver]" = WeakValueDictionary()


class GatedSolver:
    """Solves the tiles of a layer; operators, which take numbers and tensors alone, know it by its `handle`."""

    def __init__(self, geometry: Geometry, accuracy: float | Literal["exact"]) -> None:
        self.geometry = geometry
        self.accuracy: float | None = None if accuracy == "exact" else float(accuracy)
        self.handle = next(_HANDLE)
        self._programmed: tuple[NDArray[np.float64], list[list[GatedTile]]] | None = None
        self._fast: FastTiles | None = None
        _SOLVERS[self.handle] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, and what is loaded from files, have handles of their own."""
        return GatedSolver, (self.geometry, "exact" if self.accuracy is None else self.accuracy)

    def charges(self, area: Tensor, g: Tensor, n_tick_max: int) -> Tensor:
        """As `gated_charges`."""
        ticks = self.ticks(area)
        result = np.empty((len(g), len(area), g.shape[-1]))
        for k in range(len(g)):
            found = None
            if self.accuracy is not None and self.accuracy >= FINEST_ACCURACY:
                found = self.fast(g).charges(k, ticks[:, k], self.accuracy)
            if found is None:
                found = self._by_events(k, ticks[:, k], g, n_tick_max)
            result[k] = found
        unknown = area.detach().isnan().any(dim=-1).cpu().numpy()
        result[unknown.T] = np.nan
        return torch.from_numpy(result).to(g)

    def ticks(self, area: Tensor) -> NDArray[np.int64]:
        """Of all the tiles' rows, [n_vec, K, n_row]; those without input, or with NaN, get no pulse."""
        ticks = area.detach().nan_to_num().cpu().numpy().astype(np.int64)
        return np.pad(ticks, ((0, 0), (0, 0), (0, self.geometry.tile.array.n_row - ticks.shape[-1])))

    def fast(self, g: Tensor) -> FastTiles:
        """The tiles with `g` [K, n_row, L] written, by mean states; kept while it stays the same."""
        values = g.detach().cpu().numpy()
        if (
            self._fast is None
            or self._fast.written.dtype != values.dtype
            or not np.array_equal(self._fast.written, values)
        ):
            self._fast = FastTiles(self.geometry, values.copy())
        return self._fast

    def _by_events(self, k: int, ticks: NDArray[np.int64], g: Tensor, n_tick_max: int) -> NDArray[np.float64]:
        """Charges [n_vec, L] of tile row `k` as `TileModel` computes them."""
        tile, values = self.geometry.tile, g[k].detach().cpu().double().numpy()
        part = Pass(area=ticks, amplitude_coded=False, factor=1, n_tick_max=n_tick_max)
        charges = []
        for programmed, cells in zip(self._tiles(g)[k], self._of_tiles(values), strict=True):
            solved = programmed
            if self.accuracy is not None:
                ideal = part.tick_area @ cells
                column = np.abs(ideal[:, 0::2] - ideal[:, 1::2]).max(initial=0.0)
                solved = programmed.within(self.accuracy * float(column) * tile.v_read_volt * tile.drive.t_lsb_second)
            charges.append(solved.charges(part).charge_coulomb)
        return np.concatenate(charges, axis=1)[:, : g.shape[-1]]

    def _of_tiles(self, g: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Lines [n_row, L] by tile, with those that no output uses."""
        n_unused = self.geometry.n_unused * self.geometry.tile.lines_per_column
        return np.split(np.pad(g, ((0, 0), (0, n_unused))), self.geometry.n_tile_out, axis=1)

    def _tiles(self, g: Tensor) -> list[list[GatedTile]]:
        """The tiles programmed with `g` [K, n_row, L], kept while it stays the same."""
        geometry, parameters = self.geometry, self.geometry.parameters
        assert isinstance(parameters, GatedParameters)
        values = g.detach().cpu().double().numpy().copy()
        if self._programmed is None or not np.array_equal(self._programmed[0], values):
            tiles = [
                [
                    GatedTile(geometry.tile, _layout(geometry, cells), geometry.chip, parameters, self.accuracy)
                    for cells in self._of_tiles(row)
                ]
                for row in values
            ]
            self._programmed = (values, tiles)
        return self._programmed[1]


def _layout(geometry: Geometry, g: NDArray[np.float64]) -> CellLayout:
    """Of a tile programmed with the lines `g` [n_row, n_line]."""
    cell = geometry.tile.cell
    assert isinstance(cell, GatedCell)
    return CellLayout(
        g_siemens=np.ascontiguousarray(g[np.newaxis]),
        rest_volt=(cell.v_source_line_volt,),
        swing_volt=(0.0,),
        gate_sign=(1,),
        charge_sign=-1,
    )


def solver_of(handle: int) -> GatedSolver:
    """The solver of a layer that lives."""
    return _SOLVERS[handle]


@torch.library.custom_op("tilemodel::gated_charges", mutates_args=())
def gated_charges(area: Tensor, g: Tensor, n_tick_max: int, handle: int) -> Tensor:
    """Charges [K, n_vec, L] of one pass `area` [n_vec, K, n_row] >= 0, of memory elements `g` [K, n_row, L]."""
    return _SOLVERS[handle].charges(area, g, n_tick_max)


@gated_charges.register_fake
def _(area: Tensor, g: Tensor, n_tick_max: int, handle: int) -> Tensor:
    del n_tick_max, handle
    return g.new_empty((g.shape[0], area.shape[0], g.shape[2]))


@torch.library.custom_op("tilemodel::gated_gradient", mutates_args=())
def _gradient(pull: Tensor, area: Tensor, g: Tensor, n_tick_max: int, handle: int) -> tuple[Tensor, Tensor]:
    """Gradient of sum(pull * charges) by `area` and `g`: of the currents, not of charges that edges release."""
    solver = _SOLVERS[handle]
    if solver.accuracy is None:
        return _by_events(solver, pull, area, g, n_tick_max)
    ticks, tiles, pulls = solver.ticks(area), solver.fast(g), pull.detach().cpu().numpy()
    found = [tiles.gradient(k, ticks[:, k], pulls[k]) for k in range(len(g))]
    by_area = np.stack([by_ticks[:, : area.shape[2]] for by_ticks, _ in found], axis=1)
    return torch.from_numpy(by_area).to(area), torch.from_numpy(np.stack([by_g for _, by_g in found])).to(g)


@_gradient.register_fake
def _(pull: Tensor, area: Tensor, g: Tensor, n_tick_max: int, handle: int) -> tuple[Tensor, Tensor]:
    del pull, n_tick_max, handle
    return torch.empty_like(area), torch.empty_like(g)


def _by_events(solver: GatedSolver, pull: Tensor, area: Tensor, g: Tensor, n_tick_max: int) -> tuple[Tensor, Tensor]:
    """As `_gradient`, exactly, tick by tick."""
    cells, slopes = active_cells(solver.geometry, g.detach().cpu().double().numpy())
    active, slope = torch.from_numpy(cells).to(g), torch.from_numpy(slopes).to(g)
    north = torch.from_numpy(solver.geometry.line_constants()["north"]).to(g.device)
    missing = g.shape[1] - area.shape[2]  # rows without input
    area = torch.nn.functional.pad(area, (0, missing))
    by_area, by_g = torch.zeros_like(area), torch.zeros_like(g)
    for k in range(len(g)):
        for lines, flip in ((~north, False), (north, True)):
            if not bool(lines.any()):
                continue
            cells_of_end, ticks = active[k][:, lines], area[:, k]
            if flip:
                cells_of_end, ticks = cells_of_end.flip(0), ticks.flip(1)
            of_area, of_g = _one_end(solver, pull[k][:, lines], ticks, cells_of_end, n_tick_max)
            by_area[:, k] += of_area.flip(1) if flip else of_area
            by_g[k][:, lines] = (of_g.flip(0) if flip else of_g) * slope[k][:, lines]
    return by_area[..., : area.shape[2] - missing].contiguous(), by_g


def _one_end(solver: GatedSolver, pull: Tensor, ticks: Tensor, g: Tensor, n_tick_max: int) -> tuple[Tensor, Tensor]:
    """Of lines with the same end: `pull` [n_vec, l], `ticks` [n_vec, n_row], active cells `g` [n_row, l]."""
    tile = solver.geometry.tile
    start = torch.arange(n_tick_max, device=g.device, dtype=g.dtype)
    by_ticks, by_g = torch.zeros_like(ticks), torch.zeros_like(g)
    unit = tile.v_read_volt * tile.drive.t_lsb_second
    for rows in torch.arange(len(ticks), device=g.device).split(max(1, _MAX_STATES // (n_tick_max * g.numel()))):
        some = ticks[rows]
        on = (some[:, None, :] > start[:, None]).to(g)
        last = (some.long() - 1).clamp(min=0)
        for i, square in enumerate(_squared_transfers(solver.geometry, g, on)):
            weight = square * (unit * pull[rows][:, None, :])
            by_g[i] += torch.einsum("vt,vtl->l", on[..., i], weight)
            each = weight @ g[i]
            by_ticks[rows, i] += each.gather(1, last[:, i : i + 1])[:, 0]
    return by_ticks, by_g


def _squared_transfers(geometry: Geometry, g: Tensor, on: Tensor) -> list[Tensor]:
    """Squared transfer [n_vec, n_tick, l] of each row of `g` [n_row, l], with the rows `on` [n_vec, n_tick, n_row]."""
    r = geometry.parameters.r_bit_line_ohm
    y = torch.zeros((), device=g.device, dtype=g.dtype)
    ratios = []
    for i in range(len(g)):
        y = y + on[..., i, None] * g[i]
        ratios.append(1.0 / (1.0 + r * y))
        y = y * ratios[-1]
    transfer = 1.0 / (1.0 + geometry.r_end_ohm * y)
    squares = []
    for ratio in reversed(ratios):
        transfer = transfer * ratio
        squares.append(transfer**2)
    return squares[::-1]


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs[:2])
    ctx.numbers = inputs[2:]


def _backward(ctx: Any, pull: Tensor) -> tuple[Tensor, Tensor, None, None]:
    by_area, by_g = _gradient(pull, *ctx.saved_tensors, *ctx.numbers)
    return by_area, by_g, None, None


gated_charges.register_autograd(_backward, setup_context=_keep)
