"""A bit line as a resistor ladder whose cells are all connected: transfer of each cell's current to the clamp.

Rows run from the far end of the line towards its clamp. With g_i the conductance of all that hangs on node
i and r the segment between neighbouring nodes (and between the last node and the clamp), the conductance
looking away from the clamp is y_i = y_{i-1} / (1 + r y_{i-1}) + g_i, and by reciprocity the share of a
current injected at node i that reaches the clamp is

    w_i = prod_{k >= i} 1 / (1 + r y_k).

If every cell is fed by a source of voltage V_i behind its conductance, the clamp current is sum_i g_i w_i V_i.
Derivation: docs/rail_pair.md.
"""

from typing import Any

from array_api_compat import array_namespace

__all__ = ["transfer_adjoint", "transfer_to_clamp"]


def transfer_to_clamp(g: Any, r_ohm: float, r_end_ohm: float = 0.0) -> tuple[Any, Any]:
    """Transfer `w` [..., n_row, n_line] and the conductance seen from the clamp [..., n_line], for `g` as `w`.

    Row 0 is the farthest from the clamp; `r_end_ohm` lies behind the last segment. O(n_row n_line), exact. `g` may be
    of any library that keeps to the array API standard, numpy and torch among them; gradients pass.
    """
    xp = array_namespace(g)
    n_row = g.shape[-2]
    y = xp.zeros_like(g[..., 0, :])
    factors = []
    for i in range(n_row):
        y = y + g[..., i, :]
        factors.append(1.0 / (1.0 + (r_ohm + r_end_ohm if i == n_row - 1 else r_ohm) * y))
        y = y * factors[i]
    for i in range(n_row - 2, -1, -1):
        factors[i] = factors[i] * factors[i + 1]
    return xp.stack(factors, axis=-2), y


def transfer_adjoint(g: Any, transfer: Any, pull: Any, r_ohm: float, r_end_ohm: float = 0.0) -> Any:
    """Gradient of sum(pull * transfer) by `g`, all [..., n_row, n_line]; the other arguments as `transfer_to_clamp`.

    With Y the line's matrix, Y w is constant, so that dw = -Y^-1 (dg w) and the gradient is -w times the solution of
    Y v = pull: the transposed system, Y being symmetric. v is found by the same elimination, with `pull` as currents
    into the nodes. O(n_row n_line).
    """
    xp = array_namespace(g)
    n_row = g.shape[-2]
    y, current = xp.zeros_like(g[..., 0, :]), xp.zeros_like(g[..., 0, :])
    factors, currents = [], []
    for i in range(n_row):
        r = r_ohm + r_end_ohm if i == n_row - 1 else r_ohm
        y, current = y + g[..., i, :], current + pull[..., i, :]
        factor = 1.0 / (1.0 + r * y)
        factors.append(factor)
        currents.append(r * current)
        y, current = y * factor, current * factor
    volt = xp.zeros_like(y)
    volts = []
    for i in range(n_row - 1, -1, -1):
        volt = factors[i] * (currents[i] + volt)
        volts.append(volt)
    return -transfer * xp.stack(volts[::-1], axis=-2)
