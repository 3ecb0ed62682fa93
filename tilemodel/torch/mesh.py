"""The mesh of `tilemodel.solvers.mesh` as one operator with its adjoint, opaque to `torch.compile`.

Tiles are separate meshes, solved one after the other, on the processor and in float64 wherever the tensors are.
`r_ohm` holds the resistances of a bit line's segment, its end, a rail's segment and its driver.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.parameters import DrivenParameters
from tilemodel.torch.geometry import Geometry

__all__ = ["mesh_transfer", "meshed_currents"]

FloatArray = NDArray[np.float64]


@torch.library.custom_op("tilemodel::mesh_transfer", mutates_args=())
def mesh_transfer(g: Tensor, north: Tensor, r_ohm: list[float], driven_end: str) -> tuple[Tensor, Tensor]:
    """Transfer [T, n_rail, n_row, n_line] and y_in [T, n_line, n_line] of T tiles `g`, as `solvers.mesh` has them."""
    # scipy.linalg takes a quarter of a second that ladders need not pay
    from tilemodel.solvers import mesh

    wires = _wires(north, r_ohm, driven_end)
    found = [mesh.mesh_transfer(tile, **wires) for tile in _float64(g)]
    return _like(g, [transfer for transfer, _ in found]), _like(g, [y_in for _, y_in in found])


@mesh_transfer.register_fake
def _(g: Tensor, north: Tensor, r_ohm: list[float], driven_end: str) -> tuple[Tensor, Tensor]:
    del north, r_ohm, driven_end
    return g.new_empty(g.shape), g.new_empty((g.shape[0], g.shape[-1], g.shape[-1]))


@torch.library.custom_op("tilemodel::mesh_adjoint", mutates_args=())
def mesh_adjoint(
    g: Tensor, by_transfer: Tensor, by_y_in: Tensor, north: Tensor, r_ohm: list[float], driven_end: str
) -> Tensor:
    """Gradient of sum(by_transfer * transfer) + sum(by_y_in * y_in) by `g`."""
    # numba takes half a second that nothing else of these layers pays
    from tilemodel.solvers import mesh_adjoint as adjoint

    wires = _wires(north, r_ohm, driven_end)
    each = zip(_float64(g), _float64(by_transfer), _float64(by_y_in), strict=True)
    return _like(g, [adjoint.mesh_adjoint(*one, **wires) for one in each])


@mesh_adjoint.register_fake
def _(g: Tensor, by_transfer: Tensor, by_y_in: Tensor, north: Tensor, r_ohm: list[float], driven_end: str) -> Tensor:
    del by_transfer, by_y_in, north, r_ohm, driven_end
    return g.new_empty(g.shape)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor, list[float], str], output: tuple[Tensor, Tensor]) -> None:
    del output
    ctx.save_for_backward(*inputs[:2])
    ctx.wires = inputs[2:]


def _backward(ctx: Any, by_transfer: Tensor, by_y_in: Tensor) -> tuple[Tensor, None, None, None]:
    g, north = ctx.saved_tensors
    return mesh_adjoint(g, by_transfer, by_y_in, north, *ctx.wires), None, None, None


mesh_transfer.register_autograd(_backward, setup_context=_keep)


def meshed_currents(geometry: Geometry, g: Tensor, north: Tensor, drop_volt: Tensor) -> tuple[Tensor, Tensor]:
    """Clamp currents [ampere] of a pulse of height 1 on a row [K, n_row, L], and of the clamps' offsets [K, L].

    `g` [n_rail, K, n_row, .] is of all lines of the tiles, `north` and `drop_volt` of those of one tile.
    """
    parameters, wires, n_tile_out = geometry.parameters, geometry.tile.wires, geometry.n_tile_out
    assert isinstance(parameters, DrivenParameters)  # rows resist
    n_line = len(north)
    tiles = g.unflatten(-1, (n_tile_out, n_line)).permute(1, 3, 0, 2, 4)
    transfer, y_in = mesh_transfer(
        tiles.flatten(0, 1).contiguous(),
        north,
        [parameters.r_bit_line_ohm, geometry.r_end_ohm, parameters.r_row_ohm, wires.r_driver_ohm],
        wires.row_driven_end,
    )
    swing = torch.tensor(geometry.swing_volt, dtype=transfer.dtype, device=transfer.device)
    driven = torch.einsum("k,tkil->til", swing, transfer).unflatten(0, (-1, n_tile_out))
    rest = (y_in @ drop_volt).unflatten(0, (-1, n_tile_out))
    used = geometry.n_out * geometry.tile.lines_per_column
    return driven.transpose(1, 2).flatten(2)[..., :used], rest.flatten(1)[:, :used]


def _wires(north: Tensor, r_ohm: list[float], driven_end: str) -> dict[str, Any]:
    names = ("r_bit_ohm", "r_end_ohm", "r_row_ohm", "r_driver_ohm")
    return {**dict(zip(names, r_ohm, strict=True)), "driven_end": driven_end, "north": north.cpu().numpy()}


def _float64(values: Tensor) -> FloatArray:
    array: FloatArray = values.detach().cpu().double().numpy()
    return array


def _like(g: Tensor, tiles: list[FloatArray]) -> Tensor:
    return torch.from_numpy(np.stack(tiles)).to(g)
