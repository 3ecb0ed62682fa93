"""Charges of gated tiles: `tilemodel.gated_1t1r` forward, implicit differentiation backward.

A ladder's clamp current changes by v w_i^2 with the conductance of an active cell i, w its transfer: the network is
reciprocal, so the adjoint of its equations is their own solution. The transfers are those of segments of rows and
groups of ticks; with segments of one row and groups of one tick they are exact.
"""

import itertools
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.config.cell import GatedCell
from tilemodel.config.layout import CellLayout
from tilemodel.config.passes import Pass
from tilemodel.gated_1t1r import GatedTile, cell_conductance
from tilemodel.parameters import GatedParameters
from tilemodel.torch.geometry import Geometry

__all__ = ["GatedSolver", "gated_charges"]

# Largest tensor of the gradient's states [numbers]
_MAX_STATES = 2**24
_HANDLE = itertools.count()
_SOLVERS: "WeakValueDictionary[int, GatedSolver]" = WeakValueDictionary()


@dataclass(frozen=True, kw_only=True)
class _Groups:
    """How finely the gradient is taken."""

    n_row_segment: int
    n_tick_group: int


class GatedSolver:
    """Solves the tiles of a layer; operators, which take numbers and tensors alone, know it by its `handle`."""

    def __init__(self, geometry: Geometry, accuracy: float | Literal["exact"]) -> None:
        self.geometry, self.accuracy = geometry, accuracy
        exact = accuracy == "exact"
        n_tick = geometry.tile.drive.n_tick_max
        self.groups = _Groups(n_row_segment=1 if exact else 16, n_tick_group=1 if exact else -(-n_tick // 16))
        self.handle = next(_HANDLE)
        self._programmed: tuple[NDArray[np.float64], list[list[GatedTile]]] | None = None
        _SOLVERS[self.handle] = self

    def charges(self, area: Tensor, g: Tensor, n_tick_max: int) -> Tensor:
        """As `gated_charges`."""
        tile = self.geometry.tile
        n_line, n_used = tile.array.n_col * tile.lines_per_column, g.shape[-1]
        g = torch.nn.functional.pad(g.detach(), (0, self.geometry.n_unused * tile.lines_per_column))
        ticks = area.detach().cpu().numpy().astype(np.int64)
        ticks = np.pad(ticks, ((0, 0), (0, 0), (0, tile.array.n_row - ticks.shape[-1])))
        result = np.empty((len(g), len(area), g.shape[-1]))
        for k, row_of_tiles in enumerate(self._tiles(g)):
            part = Pass(area=ticks[:, k], amplitude_coded=False, factor=1, n_tick_max=n_tick_max)
            for j, programmed in enumerate(row_of_tiles):
                solved = programmed
                if self.accuracy != "exact":
                    ideal = part.tick_area @ g[k, :, j * n_line : (j + 1) * n_line].cpu().double().numpy()
                    column = np.abs(ideal[:, 0::2] - ideal[:, 1::2]).max(initial=0.0)
                    unit = tile.v_read_volt * tile.drive.t_lsb_second
                    solved = programmed.within(float(self.accuracy) * float(column) * unit)
                result[k, :, j * n_line : (j + 1) * n_line] = solved.charges(part).charge_coulomb
        return torch.from_numpy(result[..., :n_used]).to(g)

    def _tiles(self, g: Tensor) -> list[list[GatedTile]]:
        """The tiles programmed with `g` [K, n_row, L], kept while it stays the same."""
        geometry, parameters = self.geometry, self.geometry.parameters
        assert isinstance(parameters, GatedParameters)
        values = g.detach().cpu().double().numpy().copy()
        if self._programmed is None or not np.array_equal(self._programmed[0], values):
            accuracy = None if self.accuracy == "exact" else float(self.accuracy)
            tiles = [
                [
                    GatedTile(geometry.tile, _layout(geometry, cells), geometry.chip, parameters, accuracy)
                    for cells in np.split(row, geometry.n_tile_out, axis=-1)
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
    active, slope = _active(solver, g)
    north = torch.from_numpy(solver.geometry.line_constants()["north"]).to(g.device)
    missing = g.shape[1] - area.shape[2]  # rows without input
    area = torch.nn.functional.pad(area, (0, missing))
    by_area, by_g = torch.zeros_like(area), torch.zeros_like(g)
    for k in range(len(g)):
        for lines, flip in ((~north, False), (north, True)):
            if not bool(lines.any()):
                continue
            cells, ticks = active[k][:, lines], area[:, k]
            if flip:
                cells, ticks = cells.flip(0), ticks.flip(1)
            of_area, of_g = _one_end(solver, pull[k][:, lines], ticks, cells, n_tick_max)
            by_area[:, k] += of_area.flip(1) if flip else of_area
            by_g[k][:, lines] = (of_g.flip(0) if flip else of_g) * slope[k][:, lines]
    return by_area[..., : area.shape[2] - missing].contiguous(), by_g


@_gradient.register_fake
def _(pull: Tensor, area: Tensor, g: Tensor, n_tick_max: int, handle: int) -> tuple[Tensor, Tensor]:
    del pull, n_tick_max, handle
    return torch.empty_like(area), torch.empty_like(g)


def _active(solver: GatedSolver, g: Tensor) -> tuple[Tensor, Tensor]:
    """Conductance of active cells at full voltage and its derivative by the memory element's, as `g`."""
    geometry = solver.geometry
    parameters = geometry.parameters
    assert isinstance(parameters, GatedParameters)
    curvature, v = parameters.r_access_slope_ohm_per_ampere, geometry.tile.v_read_volt
    factor = np.tile(geometry.chip.access_resistance_factor, geometry.n_tile_out)[:, : g.shape[-1]]
    access = parameters.r_access_ohm * factor
    active = torch.from_numpy(cell_conductance(g.detach().cpu().double().numpy(), access, curvature, v)).to(g)
    # of 1 / active = 1 / g + r + curvature * v * active
    ratio = torch.where(g > 0, active / g, torch.ones_like(g))
    return active, ratio**2 / (1.0 + curvature * v * active**2)


def _one_end(solver: GatedSolver, pull: Tensor, ticks: Tensor, g: Tensor, n_tick_max: int) -> tuple[Tensor, Tensor]:
    """Of lines with the same end: `pull` [n_vec, l], `ticks` [n_vec, n_row], active cells `g` [n_row, l]."""
    tile, groups = solver.geometry.tile, solver.groups
    size, step = groups.n_row_segment, min(groups.n_tick_group, n_tick_max)
    missing = -len(g) % size  # rows without cells at the far end change nothing
    g, ticks = torch.nn.functional.pad(g, (0, 0, missing, 0)), torch.nn.functional.pad(ticks, (missing, 0))
    start = torch.arange(0, n_tick_max, step, device=g.device, dtype=g.dtype)
    n_state = len(start) * (len(g) // size) * g.shape[1]
    by_ticks, by_g = torch.zeros_like(ticks), torch.zeros_like(g)
    unit = tile.v_read_volt * tile.drive.t_lsb_second
    for rows in torch.arange(len(ticks), device=g.device).split(max(1, _MAX_STATES // n_state)):
        some = ticks[rows]
        on = (some[:, None, :] - start[:, None]).clamp(0, step)
        last = (torch.ceil(some / step).long() - 1).clamp(min=0)
        squares = _squared_transfers(solver.geometry, g, on / step, size)
        for k, square in enumerate(squares):
            cells = slice(k * size, (k + 1) * size)
            weight = square * (unit * pull[rows][:, None, :])
            by_g[cells] += torch.einsum("vti,vtl->il", on[..., cells], weight)
            each = torch.einsum("vtl,il->vti", weight, g[cells])
            by_ticks[rows, cells] += each.gather(1, last[:, None, cells])[:, 0]
    return by_ticks[:, missing:], by_g[missing:]


def _squared_transfers(geometry: Geometry, g: Tensor, share: Tensor, size: int) -> list[Tensor]:
    """Squared transfer [n_vec, n_group, l] of each segment's middle, of mean states `share` [n_vec, n_group, n_row].

    A segment is the two-port of `tilemodel.solvers.lumped` with its cells spread evenly.
    """
    r = geometry.parameters.r_bit_line_ohm
    y = torch.zeros((), device=g.device, dtype=g.dtype)
    ratios = []
    for k in range(len(g) // size):
        cells = slice(k * size, (k + 1) * size)
        s = share[..., cells] @ g[cells]
        m = s * ((size + 1) / 2)
        passed = 1.0 / (1.0 + r * (size * y + m))
        ratios.append(passed)
        y = (y + s + r * (y * (size * s - m) + s * s * ((size**2 - 1) / (6 * size)))) * passed
    near = 1.0 / (1.0 + geometry.r_end_ohm * y)
    squares = []
    for passed in reversed(ratios):
        far = near * passed
        squares.append((far + (0.5 - 0.5 / size) * (near - far)) ** 2)
        near = far
    return squares[::-1]


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, int, int], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs[:2])
    ctx.numbers = inputs[2:]


def _backward(ctx: Any, pull: Tensor) -> tuple[Tensor, Tensor, None, None]:
    by_area, by_g = _gradient(pull, *ctx.saved_tensors, *ctx.numbers)
    return by_area, by_g, None, None


gated_charges.register_autograd(_backward, setup_context=_keep)
