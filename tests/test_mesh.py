"""The mesh's effective matrix: against exact rational and sparse nodal analysis, in its limits, by its identities."""

from collections import defaultdict
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.solvers.mesh import mesh_transfer
from tilemodel.solvers.nodal import nodal_clamp_currents, nodal_solution

# An element of the effective matrix against exact rational arithmetic, of its own value: rounding of O(100) operations
ROUNDING = 1e-13

# Against the sparse solver on tiles of some tens of lines, of the largest element: that solver's own rounding, which
# grows with the condition of the nodal matrix (measured: up to 3e-13)
NODAL = 1e-11

# The sparse solver's currents with wires of 10 mohm to 1 kohm beside cells of 0.1 uS, of the largest conductance in the
# network: a conductance that is wrong by d moves a clamp current by at most d at 1 V (measured: up to 7e-16)
NODAL_CONDUCTANCE = 1e-14

# Exponentials of arguments up to 900, whose own rounding they multiply
STEEP = 1e-12

ENDS = ("west", "east", "both")
READ_OUTS = ("south", "north", "alternating", "mostly north")


def read_out(kind, n_line):
    line = np.arange(n_line)
    return {
        "south": np.zeros(n_line, bool),
        "north": np.ones(n_line, bool),
        "alternating": line % 2 == 1,
        "mostly north": line % 3 > 0,
    }[kind]


def wires(n_line, *, bit=1.5, end=7.0, row=0.8, driver=30.0, driven="west", read="south"):
    return {
        "r_bit_ohm": bit,
        "r_end_ohm": end,
        "r_row_ohm": row,
        "r_driver_ohm": driver,
        "driven_end": driven,
        "north": read_out(read, n_line),
    }


def cells(rng, *shape, empty=0.2):
    return rng.uniform(1e-6, 4e-5, shape) * (rng.random(shape) > empty)


def nodal_transfer(g, net):
    """Transfer and y_in by one nodal solution a source."""
    n_rail, n_row, n_line = g.shape
    unit = np.eye(n_rail * n_row).reshape(-1, n_rail, n_row)
    transfer = nodal_clamp_currents(g, unit, np.zeros(n_line), **net).reshape(g.shape)
    rest = np.zeros((1, n_rail, n_row))
    y_in = -np.array([nodal_clamp_currents(g, rest, clamp, **net)[0] for clamp in np.eye(n_line)]).T
    return transfer, y_in


def resistors(g, net):
    """Every resistor as two nodes and a rational conductance."""
    g_row, g_bit = (1 / Fraction(net[key]) for key in ("r_row_ohm", "r_bit_ohm"))
    g_driver = 1 / (Fraction(net["r_driver_ohm"]) + Fraction(net["r_row_ohm"]))
    g_clamp = 1 / (Fraction(net["r_end_ohm"]) + Fraction(net["r_bit_ohm"]))
    n_row, n_line = g.shape[1:]
    driven = {"west": [0], "east": [n_line - 1], "both": [0, n_line - 1]}[net["driven_end"]]
    for k, i, j in np.ndindex(g.shape):
        yield ("rail", k, i, j), ("line", i, j), Fraction(g[k, i, j])
        if j:
            yield ("rail", k, i, j - 1), ("rail", k, i, j), g_row
    for k, i in np.ndindex(g.shape[:2]):
        for j in driven:
            yield ("driver", k, i), ("rail", k, i, j), g_driver
    for j in range(n_line):
        for i in range(1, n_row):
            yield ("line", i - 1, j), ("line", i, j), g_bit
        yield ("line", 0 if net["north"][j] else n_row - 1, j), ("clamp", j), g_clamp


def exact_transfer(g, net):
    """Transfer and y_in in rational arithmetic: every inner node's star becomes a mesh, one node after the other."""
    between = defaultdict(lambda: defaultdict(Fraction))

    def join(a, b, conductance):
        between[a][b] += conductance
        between[b][a] += conductance

    for a, b, conductance in resistors(g, net):
        join(a, b, conductance)
    for node in [node for node in between if node[0] in ("rail", "line")]:
        star = {a: conductance for a, conductance in between.pop(node).items() if conductance}
        for a in star:
            del between[a][node]
        total = sum(star.values())
        for a, b in combinations(star, 2):
            join(a, b, star[a] * star[b] / total)
    transfer, y_in = np.zeros(g.shape), np.zeros((g.shape[2], g.shape[2]))
    for k, i, j in np.ndindex(g.shape):
        transfer[k, i, j] = between["driver", k, i]["clamp", j]
    for a, b in np.ndindex(y_in.shape):
        y_in[a, b] = sum(between["clamp", a].values()) if a == b else -between["clamp", a]["clamp", b]
    return transfer, y_in


def assert_same(result, expected, tolerance, floor=0.0):
    """Both matrices within `tolerance` of the largest element, or `floor` [siemens]."""
    for found, wanted in zip(result, expected, strict=True):
        assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max() + floor


def assert_each_element(result, expected, tolerance=ROUNDING):
    for found, wanted in zip(result, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=0)


@pytest.mark.parametrize("read", READ_OUTS)
@pytest.mark.parametrize("driven", ENDS)
def test_every_element_is_that_of_exact_arithmetic(rng, driven, read):
    g = cells(rng, 2, 3, 3)
    net = wires(3, driven=driven, read=read)
    assert_each_element(mesh_transfer(g, **net), exact_transfer(g, net))


@pytest.mark.parametrize("read", READ_OUTS)
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e8])
def test_neither_short_nor_long_wires_cost_digits(rng, scale, read):
    g = cells(rng, 1, 3, 4, empty=0.0)
    net = wires(4, bit=1.5 * scale, row=scale, end=0.0, driver=0.0, driven="both", read=read)
    assert_each_element(mesh_transfer(g, **net), exact_transfer(g, net))


def test_nodal_analysis_is_that_of_exact_arithmetic(rng):
    g = cells(rng, 2, 3, 3)
    for driven in ENDS:
        for read in ("south", "alternating"):
            net = wires(3, driven=driven, read=read)
            assert_same(nodal_transfer(g, net), exact_transfer(g, net), NODAL)


@pytest.mark.parametrize("read", READ_OUTS)
@pytest.mark.parametrize("driven", ENDS)
@pytest.mark.parametrize("n_rail", [1, 2, 4])
def test_agrees_with_nodal_analysis(rng, n_rail, driven, read):
    g = cells(rng, n_rail, 9, 7)
    net = wires(7, driven=driven, read=read)
    assert_same(mesh_transfer(g, **net), nodal_transfer(g, net), NODAL)


@pytest.mark.parametrize("read", READ_OUTS)
@pytest.mark.parametrize("driven", ENDS)
@pytest.mark.parametrize("zero", range(16))
def test_any_resistance_may_be_zero(rng, zero, driven, read):
    g = cells(rng, 2, 5, 4)
    values = {"bit": 1.5, "end": 7.0, "row": 0.8, "driver": 30.0}
    net = wires(4, driven=driven, read=read, **{key: r * (zero >> n & 1) for n, (key, r) in enumerate(values.items())})
    assert_same(mesh_transfer(g, **net), nodal_transfer(g, net), NODAL)


@pytest.mark.parametrize("shape", [(1, 40, 24), (2, 16, 48), (1, 1, 30), (2, 30, 1), (1, 1, 1)])
def test_agrees_with_nodal_analysis_on_larger_and_on_thin_tiles(rng, shape):
    g = cells(rng, *shape)
    net = wires(shape[2], read="mostly north", driven="both")
    assert_same(mesh_transfer(g, **net), nodal_transfer(g, net), NODAL)


resistances = st.just(0.0) | st.floats(1e-2, 1e3)
conductances = st.just(0.0) | st.floats(1e-7, 1e-3)


@st.composite
def networks(draw):
    shape = (draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    return draw(arrays(float, shape, elements=conductances)), {
        "r_bit_ohm": draw(resistances),
        "r_end_ohm": draw(resistances),
        "r_row_ohm": draw(resistances),
        "r_driver_ohm": draw(resistances),
        "driven_end": draw(st.sampled_from(ENDS)),
        "north": draw(arrays(bool, shape[2])),
    }


@settings(deadline=None)
@given(network=networks())
def test_agrees_with_nodal_analysis_on_any_network(network):
    g, net = network
    wire = [net[key] for key in ("r_bit_ohm", "r_end_ohm", "r_row_ohm", "r_driver_ohm") if net[key]]
    floor = NODAL_CONDUCTANCE / min(wire) if wire else 0.0
    assert_same(mesh_transfer(g, **net), nodal_transfer(g, net), NODAL, floor)


@settings(deadline=None)
@given(network=networks())
def test_is_passive_and_reciprocal(network):
    g, net = network
    transfer, y_in = mesh_transfer(g, **net)
    scale = np.abs(y_in).max()
    assert np.all(transfer >= 0)
    assert np.all(y_in - np.diag(np.diag(y_in)) <= 0)
    np.testing.assert_allclose(y_in, y_in.T, rtol=0, atol=ROUNDING * scale)
    assert np.all(np.linalg.eigvalsh(y_in) >= -ROUNDING * scale)


@settings(deadline=None)
@given(network=networks())
def test_nothing_flows_where_drivers_and_clamps_are_at_one_voltage(network):
    g, net = network
    transfer, y_in = mesh_transfer(g, **net)
    np.testing.assert_allclose(transfer.sum(axis=(0, 1)), y_in.sum(axis=1), rtol=0, atol=ROUNDING * y_in.max())


def test_every_current_that_enters_leaves(rng):
    g = cells(rng, 2, 6, 5)
    net = wires(5, driven="both", read="alternating")
    v, clamp = rng.uniform(-0.2, 0.2, (3, 2, 6)), rng.uniform(-0.01, 0.01, 5)
    solution = nodal_solution(g, v, clamp, **net)
    near = solution.rail_volt[..., 0] + solution.rail_volt[..., -1]
    driven = ((2 * v - near) / (net["r_driver_ohm"] + net["r_row_ohm"])).sum(axis=(1, 2))
    through_cells = (g * (solution.rail_volt - solution.line_volt[:, np.newaxis])).sum(axis=(1, 2, 3))
    transfer, y_in = mesh_transfer(g, **net)
    collected = (np.einsum("kil,vki->vl", transfer, v) - y_in @ clamp).sum(axis=1)
    scale = np.abs(v).sum() * g.max()
    for total in (driven, through_cells, solution.clamp_current_ampere.sum(axis=1)):
        np.testing.assert_allclose(total, collected, rtol=0, atol=NODAL * scale)


@pytest.mark.parametrize("read", READ_OUTS)
@pytest.mark.parametrize("driven", ENDS)
def test_without_resistance_it_is_the_ideal_mac(rng, driven, read):
    g = cells(rng, 2, 6, 5)
    transfer, y_in = mesh_transfer(g, **wires(5, bit=0.0, end=0.0, row=0.0, driver=0.0, driven=driven, read=read))
    np.testing.assert_array_equal(transfer, g)
    np.testing.assert_allclose(y_in, np.diag(g.sum(axis=(0, 1))), rtol=ROUNDING)


def test_with_vanishing_resistance_it_tends_to_the_ideal_mac(rng):
    g = cells(rng, 2, 6, 5)
    for r in (1e-3, 1e-6, 1e-9):
        transfer, _ = mesh_transfer(g, **wires(5, bit=r, end=r, row=r, driver=r, read="alternating"))
        assert np.abs(transfer - g).max() <= 4 * r * g.sum() * g.max()


@pytest.mark.parametrize("driven", ENDS)
def test_with_ideal_rails_it_is_the_scalar_ladder(rng, driven):
    g = cells(rng, 2, 12, 6)
    south = wires(6, end=0.0, row=0.0, driver=0.0, driven=driven)
    transfer, y_in = mesh_transfer(g, **south)
    share, y = transfer_to_clamp(g.sum(axis=0), south["r_bit_ohm"])
    np.testing.assert_allclose(transfer, g * share, rtol=ROUNDING)
    np.testing.assert_allclose(y_in, np.diag(y), rtol=ROUNDING)
    transfer, y_in = mesh_transfer(g, **(south | {"north": read_out("alternating", 6)}))
    north_share, north_y = transfer_to_clamp(g.sum(axis=0)[::-1], south["r_bit_ohm"])
    np.testing.assert_allclose(transfer[..., ::2], (g * share)[..., ::2], rtol=ROUNDING)
    np.testing.assert_allclose(transfer[..., 1::2], (g * north_share[::-1])[..., 1::2], rtol=ROUNDING)
    np.testing.assert_allclose(np.diag(y_in)[1::2], north_y[1::2], rtol=ROUNDING)


def test_with_ideal_bit_lines_each_row_is_a_ladder_of_its_own(rng):
    g = cells(rng, 2, 6, 9)
    transfer, _ = mesh_transfer(g, **wires(9, bit=0.0, end=0.0, driver=0.0))
    for k, i in np.ndindex(2, 6):
        share, _ = transfer_to_clamp(g[k, i, ::-1, np.newaxis], 0.8)
        np.testing.assert_allclose(transfer[k, i], g[k, i] * share[::-1, 0], rtol=ROUNDING)


@pytest.mark.parametrize("read", READ_OUTS)
def test_empty_rows_lines_and_tiles_carry_nothing(rng, read):
    g = cells(rng, 2, 6, 5)
    g[:, [0, 3]] = 0.0
    g[:, :, [1, 4]] = 0.0
    net = wires(5, read=read)
    transfer, y_in = mesh_transfer(g, **net)
    assert_same((transfer, y_in), nodal_transfer(g, net), NODAL)
    np.testing.assert_array_equal(transfer[:, [0, 3]], 0.0)
    np.testing.assert_array_equal(transfer[:, :, [1, 4]], 0.0)
    np.testing.assert_array_equal(y_in[[1, 4]], 0.0)
    for nothing in mesh_transfer(np.zeros_like(g), **net):
        np.testing.assert_array_equal(nothing, 0.0)


def test_mirrored_tiles_have_mirrored_matrices(rng):
    g = cells(rng, 2, 6, 5)
    transfer, y_in = mesh_transfer(g, **wires(5, driven="west", read="south"))
    mirrored, y_mirrored = mesh_transfer(g[:, ::-1, ::-1], **wires(5, driven="east", read="north"))
    np.testing.assert_allclose(mirrored[:, ::-1, ::-1], transfer, rtol=ROUNDING)
    np.testing.assert_allclose(y_mirrored[::-1, ::-1], y_in, rtol=1e-12)


def test_rails_that_end_in_nothing_are_the_others_alone(rng):
    g = cells(rng, 1, 6, 5)
    net = wires(5, read="alternating")
    transfer, y_in = mesh_transfer(g, **net)
    with_idle, y_with_idle = mesh_transfer(np.concatenate((np.zeros_like(g), g)), **net)
    np.testing.assert_allclose(with_idle[1:], transfer, rtol=ROUNDING)
    np.testing.assert_allclose(y_with_idle, y_in, rtol=ROUNDING)


@pytest.mark.parametrize("driven", ENDS)
def test_rails_along_which_exponentials_would_overflow(rng, driven):
    g = cells(rng, 1, 2, 5, empty=0.0)
    net = wires(5, row=1e60, driver=0.0, driven=driven, read="alternating")
    assert_each_element(mesh_transfer(g, **net), exact_transfer(g, net), STEEP)
