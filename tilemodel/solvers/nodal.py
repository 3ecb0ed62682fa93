"""The network of `mesh` as one sparse system of all its nodes: slower, and made of nothing that `mesh` is made of.

Every resistor is an edge between two numbered nodes; nodes joined by 0 ohm are merged; drivers and clamps are nodes
of known voltage. For cross-checks and for node voltages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from tilemodel.solvers.mesh import DrivenEnd

__all__ = ["NodalSolution", "nodal_clamp_currents", "nodal_solution"]

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NodalSolution:
    """Static state of a mesh: currents into the clamps, voltages of all nodes.

    `clamp_current_ampere` [n_vec, n_line], `rail_volt` [n_vec, K, n_row, n_line], `line_volt` [n_vec, n_row, n_line].
    """

    clamp_current_ampere: FloatArray
    rail_volt: FloatArray
    line_volt: FloatArray


def nodal_clamp_currents(
    g: FloatArray,
    v: FloatArray,
    v_clamp: FloatArray,
    *,
    r_bit_ohm: float,
    r_end_ohm: float,
    r_row_ohm: float,
    r_driver_ohm: float,
    driven_end: DrivenEnd,
    north: NDArray[np.bool_],
) -> FloatArray:
    """Currents into the clamps [ampere], [n_vec, n_line]; arguments as for `nodal_solution`."""
    return nodal_solution(
        g,
        v,
        v_clamp,
        r_bit_ohm=r_bit_ohm,
        r_end_ohm=r_end_ohm,
        r_row_ohm=r_row_ohm,
        r_driver_ohm=r_driver_ohm,
        driven_end=driven_end,
        north=north,
    ).clamp_current_ampere


def nodal_solution(
    g: FloatArray,
    v: FloatArray,
    v_clamp: FloatArray,
    *,
    r_bit_ohm: float,
    r_end_ohm: float,
    r_row_ohm: float,
    r_driver_ohm: float,
    driven_end: DrivenEnd,
    north: NDArray[np.bool_],
) -> NodalSolution:
    """Currents and voltages for driver voltages `v` [n_vec, K, n_row] and clamp voltages `v_clamp` [n_line] [volt].

    `g` [K, n_row, n_line] [siemens] and the wires as in `mesh.mesh_transfer`.
    """
    nodes = _Nodes(g.shape)
    edges = _Edges()
    edges.add(nodes.rail, np.broadcast_to(nodes.line, g.shape), g)
    edges.add_wire(nodes.rail[..., :-1], nodes.rail[..., 1:], r_row_ohm)
    edges.add_wire(nodes.line[:-1], nodes.line[1:], r_bit_ohm)
    if driven_end != "east":
        edges.add_wire(nodes.driver, nodes.rail[..., 0], r_driver_ohm + r_row_ohm)
    if driven_end != "west":
        edges.add_wire(nodes.driver, nodes.rail[..., -1], r_driver_ohm + r_row_ohm)
    edges.add_wire(nodes.clamp, np.where(north, nodes.line[0], nodes.line[-1]), r_bit_ohm + r_end_ohm)

    merged = edges.merged(nodes.count)
    laplacian = edges.laplacian(merged)
    held = merged[np.concatenate((nodes.driver.ravel(), nodes.clamp))]
    sources = np.hstack((v.reshape(len(v), -1), np.broadcast_to(v_clamp, (len(v), g.shape[2]))))
    volt = _solved(laplacian, held, sources)
    current = -(laplacian[merged[nodes.clamp]] @ volt).T
    return NodalSolution(
        clamp_current_ampere=current, rail_volt=volt[merged[nodes.rail]].transpose(3, 0, 1, 2),
        line_volt=volt[merged[nodes.line]].transpose(2, 0, 1),
    )  # fmt: skip


class _Nodes:
    """Numbers of the nodes: rails [K, n_row, n_line], lines [n_row, n_line], drivers [K, n_row], clamps [n_line]."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.rail = self._numbers(shape)
        self.line = self._numbers(shape[1:])
        self.driver = self._numbers(shape[:-1])
        self.clamp = self._numbers(shape[-1:])

    def _numbers(self, shape: tuple[int, ...]) -> IndexArray:
        first, self.count = self.count, self.count + int(np.prod(shape))
        return np.arange(first, self.count, dtype=np.int64).reshape(shape)


class _Edges:
    """The resistors between nodes, by conductance, and the pairs of nodes that are one."""

    def __init__(self) -> None:
        self._resistors: list[tuple[IndexArray, IndexArray, FloatArray]] = []
        self._shorts: list[tuple[IndexArray, IndexArray]] = []

    def add(self, a: IndexArray, b: IndexArray, g: FloatArray) -> None:
        """Conductances `g` [siemens] between the nodes `a` and `b`, all of one shape."""
        self._resistors.append((a.ravel(), b.ravel(), g.ravel()))

    def add_wire(self, a: IndexArray, b: IndexArray, r_ohm: float) -> None:
        """Equal resistors between the nodes `a` and `b`; 0 ohm makes them one."""
        if r_ohm == 0.0:
            self._shorts.append((a.ravel(), b.ravel()))
        else:
            self.add(a, b, np.full(a.shape, 1.0 / r_ohm))

    def merged(self, count: int) -> IndexArray:
        """Number of each of the `count` nodes once nodes without resistance between them are one."""
        a, b = (np.concatenate([short[end] for short in self._shorts] or [np.zeros(0, np.int64)]) for end in (0, 1))
        joined = sparse.coo_array((np.ones(a.size), (a, b)), shape=(count, count))
        numbers: IndexArray = connected_components(joined, directed=False)[1].astype(np.int64)
        return numbers

    def laplacian(self, merged: IndexArray) -> sparse.csr_array:
        """Conductance matrix [n_node, n_node] [siemens] of all merged nodes, none of them grounded."""
        a, b, g = (np.concatenate([resistor[part] for resistor in self._resistors]) for part in range(3))
        a, b = merged[a.astype(np.int64)], merged[b.astype(np.int64)]
        size = int(merged.max()) + 1
        rows, columns = np.concatenate((a, b, a, b)), np.concatenate((b, a, a, b))
        return sparse.csr_array(sparse.coo_array((np.concatenate((-g, -g, g, g)), (rows, columns)), shape=(size, size)))


def _solved(laplacian: sparse.csr_array, held: IndexArray, sources: FloatArray) -> FloatArray:
    """Voltages of all nodes [n_node, n_vec], those of the nodes `held` being `sources` [n_vec, n_held]."""
    volt = np.zeros((laplacian.shape[0], len(sources)))
    volt[held] = sources.T
    free = np.setdiff1d(np.arange(laplacian.shape[0]), held)
    if free.size:
        equations = laplacian[free]
        matrix = sparse.csc_array(equations[:, free])
        factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        volt[free] = factor.solve(-(equations @ volt))
    return volt
