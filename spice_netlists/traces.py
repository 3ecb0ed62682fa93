"""Cells whose conductances change in time: a current source a cell, and a source that plays its trace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import is_ohmic
from spice_netlists.nodes import bit_line_nodes, rail_names, rail_node
from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout
from tilemodel.config.tile import TileConfig

__all__ = ["ConductanceTraces", "noisy_cells"]

FloatArray = NDArray[np.float64]

# A step of a trace is a ramp over this share of the shorter neighbouring interval, so that its integral is exact
_RAMP = 0.01
# Conductances are played as voltages of this many siemens a volt: 1 V for 1 uS
_SIEMENS_PER_VOLT = 1e-6


@dataclass(frozen=True, kw_only=True)
class ConductanceTraces:
    """Conductances of all cells as means over successive intervals; before and after them, the nearest one's."""

    edges_second: FloatArray
    """[n + 1], rising, on the deck's time axis."""
    g_siemens: FloatArray
    """[n, n_rail, n_row, n_line]"""


def noisy_cells(tile: TileConfig, cells: CellLayout, lines: Sequence[int], traces: ConductanceTraces) -> Iterator[str]:
    """The memory elements as I = V G(t), in ngspice's language; a nominal conductance of 0 has none.

    Raises `InputError` for cells with access devices or memory elements that are not Ohmic.
    """
    if tile.is_gated or not is_ohmic(tile.cell.device):
        raise InputError(
            f"tile {tile.name}: noisy transients are for driven cells with Ohmic memory elements, not for "
            f"{tile.cell.kind} cells of kind {tile.cell.device.kind}"
        )
    corners = _corners(traces.edges_second)
    for line in lines:
        yield f"* Cells of bit line {line}, their conductances in time [uS] as voltages"
        node = bit_line_nodes(tile, line)
        for index, rail in enumerate(rail_names(tile)):
            for row in np.flatnonzero(cells.g_siemens[index, :, line] > 0).tolist():
                name, a, b = f"{rail}{line}_{row}", rail_node(tile, rail, row, line), node[row]
                values = np.repeat(traces.g_siemens[:, index, row, line] / _SIEMENS_PER_VOLT, 2)
                points = " ".join(f"{t:.12g} {v:.12g}" for t, v in zip(corners, values, strict=True))
                yield f"Bg{name} {a} {b} I={_SIEMENS_PER_VOLT!r}*V({a},{b})*V(g{name})"
                yield f"Vg{name} g{name} 0 PWL({points})"


def _corners(edges: FloatArray) -> FloatArray:
    """Beginning and end of each interval's flat part [second], [2 n]; the first begins at 0."""
    length = np.diff(edges)
    ramp = _RAMP * np.minimum(length, np.concatenate([length[:1], length[:-1]]))
    begin = edges[:-1] + ramp / 2
    end = edges[1:] - np.concatenate([ramp[1:], [0.0]]) / 2
    begin[0] = 0.0
    corners: FloatArray = np.stack([begin, end], axis=1).ravel()
    return corners
