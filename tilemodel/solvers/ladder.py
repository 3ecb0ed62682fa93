"""A bit line as a resistor ladder whose cells are all connected: transfer of each cell's current to the clamp.

Rows run from the far end of the line towards its clamp. With g_i the conductance of all that hangs on node
i and r the segment between neighbouring nodes (and between the last node and the clamp), the conductance
looking away from the clamp is y_i = y_{i-1} / (1 + r y_{i-1}) + g_i, and by reciprocity the share of a
current injected at node i that reaches the clamp is

    w_i = prod_{k >= i} 1 / (1 + r y_k).

If every cell is fed by a source of voltage V_i behind its conductance, the clamp current is sum_i g_i w_i V_i.
Derivation: docs/rail_pair.md.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["transfer_to_clamp"]

FloatArray = NDArray[np.float64]


def transfer_to_clamp(g: FloatArray, r_ohm: float, r_end_ohm: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """Transfer `w` [n_row, n_line] and the conductance seen from the clamp [n_line], for `g` [n_row, n_line].

    Row 0 is the farthest from the clamp; `r_end_ohm` lies behind the last segment. O(n_row n_line), exact.
    """
    factor: FloatArray = np.empty(g.shape)
    y: FloatArray = np.zeros(g.shape[1])
    for i in range(g.shape[0]):
        y = y + g[i]
        r = r_ohm + (r_end_ohm if i == g.shape[0] - 1 else 0.0)
        factor[i] = 1.0 / (1.0 + r * y)
        y = y * factor[i]
    transfer = np.cumprod(factor[::-1], axis=0, dtype=np.float64)[::-1]
    return transfer, y
