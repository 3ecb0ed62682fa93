"""The ladder of `tilemodel.solvers.ladder` as one operator with its adjoint, opaque to `torch.compile`.

On the processor compiled loops (`tilemodel.solvers.ladder_kernels`); elsewhere two kernels a row forward, two backward,
whatever the number of lines. What autograd would record is not kept.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["adjoint_by_rows", "transfer_adjoint", "transfer_by_rows", "transfer_to_clamp"]


@torch.library.custom_op("tilemodel::ladder_transfer", mutates_args=())
def transfer_to_clamp(g: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    """Share of each node's current that reaches the clamp, of conductances `g` [..., n_row, n_line], row 0 farthest."""
    if g.device.type == "cpu":
        # numba takes half a second that nothing else of a linear layer pays
        from tilemodel.solvers.ladder_kernels import ladder_transfer

        return torch.from_numpy(ladder_transfer(_tiles(g), r_ohm, r_end_ohm)).view(g.shape)
    return transfer_by_rows(g, r_ohm, r_end_ohm)


@transfer_to_clamp.register_fake
def _(g: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    del r_ohm, r_end_ohm
    return torch.empty_like(g, memory_format=torch.contiguous_format)


def transfer_by_rows(g: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    """`transfer_to_clamp` by torch's own kernels, for any device."""
    g = g.movedim(-2, 0)
    stretch = torch.empty_like(g)  # 1 + r y, of each node
    rows, n_row = g.unbind(0), len(g)
    one, y = torch.ones_like(rows[0]), rows[0]
    for i, out in enumerate(stretch.unbind(0)):
        torch.add(one, y, alpha=r_ohm if i < n_row - 1 else r_ohm + r_end_ohm, out=out)
        if i < n_row - 1:
            y = torch.addcdiv(rows[i + 1], y, out)
    # the products from the clamp backwards
    transfer = torch.cumprod(stretch.reciprocal_().flip(0), 0).flip(0)
    return transfer.movedim(0, -2).contiguous()


@torch.library.custom_op("tilemodel::ladder_adjoint", mutates_args=())
def transfer_adjoint(transfer: Tensor, pull: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    """Gradient of sum(pull * transfer) by the conductances, as `tilemodel.solvers.ladder.transfer_adjoint`.

    The factors of the elimination are the ratios of neighbouring transfers.
    """
    if transfer.device.type == "cpu":
        from tilemodel.solvers.ladder_kernels import ladder_adjoint

        by_g = ladder_adjoint(_tiles(transfer), _tiles(pull), r_ohm, r_end_ohm)
        return torch.from_numpy(by_g).view(transfer.shape)
    return adjoint_by_rows(transfer, pull, r_ohm, r_end_ohm)


@transfer_adjoint.register_fake
def _(transfer: Tensor, pull: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    del pull, r_ohm, r_end_ohm
    return torch.empty_like(transfer, memory_format=torch.contiguous_format)


def adjoint_by_rows(transfer: Tensor, pull: Tensor, r_ohm: float, r_end_ohm: float) -> Tensor:
    """`transfer_adjoint` by torch's own kernels, for any device."""
    w, p = transfer.movedim(-2, 0), pull.movedim(-2, 0)
    n_row = len(w)
    factor = w.clone()
    factor[:-1] /= w[1:]
    factors = factor.unbind(0)
    current = torch.empty_like(w)
    currents, pulls = current.unbind(0), p.unbind(0)
    currents[0].copy_(pulls[0])
    for i in range(1, n_row):
        torch.addcmul(pulls[i], factors[i - 1], currents[i - 1], out=currents[i])
    current[:-1] *= r_ohm
    current[-1] *= r_ohm + r_end_ohm
    current *= factor
    for i in range(n_row - 2, -1, -1):  # in place: currents become the nodes' voltages
        currents[i].addcmul_(factors[i], currents[i + 1])
    return (current * w).neg_().movedim(0, -2).contiguous()


def _tiles(values: Tensor) -> NDArray[np.floating[Any]]:
    """[..., n_row, n_line] as [K, n_row, n_line]."""
    array: NDArray[np.floating[Any]] = values.detach().reshape(-1, *values.shape[-2:]).numpy()
    return array


def _keep(ctx: Any, inputs: tuple[Tensor, float, float], output: Tensor) -> None:
    ctx.save_for_backward(output)
    ctx.r = inputs[1:]


def _backward(ctx: Any, pull: Tensor) -> tuple[Tensor, None, None]:
    (transfer,) = ctx.saved_tensors
    return transfer_adjoint(transfer, pull, *ctx.r), None, None


transfer_to_clamp.register_autograd(_backward, setup_context=_keep)
