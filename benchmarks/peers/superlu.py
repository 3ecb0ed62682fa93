"""SuperLU, as scipy has it: the nodal matrix factored once, two triangular solutions a vector."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import block_array, csc_array, diags_array, eye_array, kron
from scipy.sparse.linalg import splu

from benchmarks.peers.common import (
    Charges,
    Currents,
    FloatArray,
    in_blocks,
    rail_pair_charges,
    rail_pair_lines,
)
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

__all__ = ["NAME", "available", "mesh", "rail_pair"]

NAME = "SuperLU"

# Measured fastest: bit lines on their own leave nothing to share, a mesh's factors are worth reading once for many
_PAIR_VECTORS_AT_ONCE, _MESH_VECTORS_AT_ONCE = 1, 16


def available() -> str | None:
    """None: scipy is always there."""
    return None


def rail_pair(tile: TileConfig, conductances: Conductances, *, vectors_at_once: int = _PAIR_VECTORS_AT_ONCE) -> Charges:
    """Charges of a linear rail_pair tile whose bit lines resist; nodes [n_line, n_row], the clamps' last."""
    lines = rail_pair_lines(tile, conductances)
    if lines.r_bit_line_ohm == 0:
        raise ValueError(f"tile {tile.name}: bit lines without resistance have no nodes to solve for")
    n_row, n_line = lines.g_plus.shape
    g_bit = 1.0 / lines.r_bit_line_ohm
    total = (lines.g_plus + lines.g_minus).T
    solve = _solver(csc_array(kron(eye_array(n_line), _chain(n_row, g_bit)) + diags_array(total.ravel())))
    net = (lines.g_plus - lines.g_minus).T

    def block(v: FloatArray) -> FloatArray:
        turned = np.where(lines.north[:, np.newaxis], v[:, np.newaxis, ::-1], v[:, np.newaxis])
        return solve((net * turned).reshape(len(v), -1)).reshape(len(v), n_line, n_row)[..., -1] * g_bit

    rest = solve((lines.rest_volt * total).reshape(1, -1)).reshape(n_line, n_row)[:, -1] * g_bit
    return rail_pair_charges(tile, lambda v: in_blocks(block, v, vectors_at_once), rest)


def mesh(
    g_siemens: FloatArray, r_row_ohm: float, r_bit_line_ohm: float, *, vectors_at_once: int = _MESH_VECTORS_AT_ONCE
) -> Currents:
    """Currents of a passive crossbar [n_row, n_line]; first all row nodes, then all bit-line nodes, row by row."""
    n_row, n_line = g_siemens.shape
    g_row, g_bit, n_node = 1.0 / r_row_ohm, 1.0 / r_bit_line_ohm, g_siemens.size
    cells = diags_array(g_siemens.ravel())
    rows = kron(eye_array(n_row), _chain(n_line, g_row)[::-1, ::-1]) + cells
    bit_lines = kron(_chain(n_row, g_bit), eye_array(n_line)) + cells
    solve = _solver(csc_array(block_array([[rows, -cells], [-cells, bit_lines]])))

    def block(v: FloatArray) -> FloatArray:
        injected = np.zeros((len(v), 2 * n_node))
        injected[:, :n_node:n_line] = g_row * v
        return solve(injected)[:, -n_line:] * g_bit

    return lambda v: in_blocks(block, v, vectors_at_once)


def _chain(n_node: int, g_siemens: float) -> csc_array:
    """Nodal matrix of a wire [n_node, n_node] with a segment behind every node, the last one to ground."""
    diagonal = np.full(n_node, 2.0 * g_siemens)
    diagonal[0] = g_siemens
    beside = diags_array(np.full(n_node - 1, -g_siemens), offsets=1)
    return csc_array(diags_array(diagonal) + beside + beside.T)


def _solver(matrix: csc_array) -> Callable[[FloatArray], FloatArray]:
    """Node voltages for injected currents, both [n_vec, n_node]; `matrix` is symmetric and positive definite."""
    factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})

    def solve(injected: FloatArray) -> FloatArray:
        voltages: FloatArray = factors.solve(injected.T).T
        return voltages

    return solve
