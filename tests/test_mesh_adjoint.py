"""The mesh's gradient by its conductances: against differences of the mesh itself, and made of node voltages."""

import numpy as np
import pytest

from tilemodel.solvers.mesh import mesh_transfer
from tilemodel.solvers.mesh_adjoint import mesh_adjoint
from tilemodel.solvers.nodal import nodal_solution

# Against central differences, of the gradient's norm: what these are good for (measured: 5e-11)
DIFFERENCES = 1e-8

# Against the sparse solver, of the largest element: that solver's own rounding (measured: 2e-14)
NODAL = 1e-11

NAMES = ("r_bit_ohm", "r_end_ohm", "r_row_ohm", "r_driver_ohm")


@pytest.mark.parametrize("read", ["south", "north", "alternating", "mostly north"])
@pytest.mark.parametrize("driven_end", ["west", "east", "both"])
@pytest.mark.parametrize(
    "r_ohm",
    [(20.0, 90.0, 30.0, 200.0), (0.0, 90.0, 30.0, 0.0), (0.0, 0.0, 30.0, 200.0), (20.0, 0.0, 0.0, 200.0)],
    ids=str,
)
def test_adjoint_is_the_derivative(r_ohm, driven_end, read, rng):
    """Along a random direction in which all conductances change, of random pulls on both matrices."""
    g, line = rng.uniform(1e-6, 4e-5, (2, 6, 5)), np.arange(5)
    north = {"south": line < 0, "north": line >= 0, "alternating": line % 2 == 1, "mostly north": line % 3 > 0}[read]
    net = {**dict(zip(NAMES, r_ohm, strict=True)), "driven_end": driven_end, "north": north}
    pulls = rng.normal(size=g.shape), rng.normal(size=(5, 5))
    along, step = rng.normal(size=g.shape), 1e-8

    def pulled(cells):
        return sum((pull * part).sum() for pull, part in zip(pulls, mesh_transfer(cells, **net), strict=True))

    change = (pulled(g + step * along) - pulled(g - step * along)) / (2 * step)
    scale = np.linalg.norm(along) * np.linalg.norm(gradient := mesh_adjoint(g, *pulls, **net))
    assert abs((gradient * along).sum() - change) <= DIFFERENCES * scale


@pytest.mark.parametrize(
    ("r_ohm", "r_row_ohm", "n_line"), [(1e-3, 1e-3, 40), (1.0, 1.0, 40), (1e3, 1e3, 40), (10, 1e6, 150)]
)
def test_every_element_is_made_of_node_voltages(r_ohm, r_row_ohm, n_line, rng):
    """Of more lines than are held at a time, and of steep rails: from the sparse solver's voltages across a cell."""
    g, north = rng.uniform(1e-6, 4e-5, (2, 5, n_line)), np.arange(n_line) % 2 == 1
    net = {**dict.fromkeys(NAMES, r_ohm), "r_row_ohm": r_row_ohm, "driven_end": "west", "north": north}
    by_transfer, by_y_in = rng.normal(size=g.shape), rng.normal(size=(n_line, n_line))

    def across(driver_volt, clamp_volt):
        found = nodal_solution(g, driver_volt[np.newaxis], clamp_volt, **net)
        return found.rail_volt[0] - found.line_volt[0]

    expected = -sum(
        across(np.zeros((2, 5)), unit) * across(by_transfer[..., line], -by_y_in[line])
        for line, unit in enumerate(np.eye(n_line))
    )
    found = mesh_adjoint(g, by_transfer, by_y_in, **net)
    assert np.abs(found - expected).max() <= NODAL * np.abs(expected).max()
