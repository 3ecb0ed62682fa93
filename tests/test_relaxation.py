"""The relaxation over any network: against brute force, against the solvers of special cases, and its own bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.networks import (
    IDEAL_ROWS,
    N_TICK,
    RAILS,
    START,
    T_LSB,
    DenseNetwork,
    V,
    brute_charges,
    brute_charges_with_edges,
    drive_state,
    full_scale,
    pulses,
    random_network,
    random_pulses,
)
from tests.tolerances import BOUND_OF_EDGES, NEWTON, ROUNDING, relative
from tilemodel.solvers.gated import gated_charges
from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.solvers.mesh import mesh_transfer
from tilemodel.solvers.relaxation import solve_network

DRIVEN, GATED = ("passive", "pair", "quad"), ("1t1r", "2t1r")
WIRES = {
    "bit lines only": IDEAL_ROWS,
    "bit lines without end": {**IDEAL_ROWS, "r_end": 0.0},
    "rows from the west": {},
    "rows from the east": {"west": False, "east": True},
    "rows from both ends": {"east": True, "r_driver": 0.0},
    "drivers only": {"r_row": 0.0, "east": True},
    "rows only": {"r_bit": 0.0, "r_end": 0.0},
    "clamps and rows": {"r_bit": 0.0},
    "no wires": {**IDEAL_ROWS, "r_bit": 0.0, "r_end": 0.0},
}
LAWS = {
    "linear": {},
    "sinh": {"v_sinh": 0.1},
    "polarity": {"polarity_asymmetry": 0.3},
    "both": {"v_sinh": 0.15, "polarity_asymmetry": -0.2},
}
BENT = (*(law for law in LAWS.values() if law), {"v_sinh": 0.43})
kinds, wires, laws = st.sampled_from(tuple(RAILS)), st.sampled_from(tuple(WIRES)), st.sampled_from(tuple(LAWS))
seeds = st.integers(0, 2**32 - 1)


def problem(seed, kind, **changed):
    """A random network and random pulses for it."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, kind, n_row=rng.integers(1, 5), n_line=rng.integers(1, 5), **changed)
    return network, random_pulses(rng, network, amplitudes=kind in DRIVEN and seed % 2 == 0, t_edge=0.0)


def with_gates(seed, network, *, slope=0.0, charge=0.0, c=0.0):
    """The network with access devices whose resistance grows, and which inject charge."""
    n_rail = len(network.gate_sign)
    return network._replace(
        r_access_slope=np.full(n_rail, slope),
        pulse_charge=np.random.default_rng(seed).normal(0, charge, network.g.shape),
        c_pulse=np.full(n_rail, c),
    )


def assert_close(network, charge, expected, tolerance=NEWTON):
    np.testing.assert_allclose(charge, expected, rtol=0, atol=tolerance * full_scale(network))


def assert_within_bound(network, solution, expected, *, floor=ROUNDING):
    error = np.abs(solution.charge - expected)
    assert np.all(error <= solution.error_bound + floor * full_scale(network)), error / full_scale(network)


@settings(deadline=None, max_examples=60)
@given(seed=seeds, kind=kinds, wire=wires, law=laws)
def test_conduction_is_that_of_every_node_solved_at_once(seed, kind, wire, law):
    network, drive = problem(seed, kind, **WIRES[wire], **LAWS[law])
    solution, expected = solve_network(network, drive), brute_charges(network, drive)
    assert_close(network, solution.charge, expected)
    assert_within_bound(network, solution, expected)
    assert solution.error_bound.max() <= NEWTON * full_scale(network)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, kind=st.sampled_from(GATED), wire=wires, law=laws)
def test_access_devices_whose_resistance_grows_with_the_current(seed, kind, wire, law):
    network, drive = problem(seed, kind, **WIRES[wire], **LAWS[law])
    network = with_gates(seed, network, slope=2e7)
    expected = brute_charges(network, drive)
    assert_close(network, solve_network(network, drive).charge, expected)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, kind=st.sampled_from(GATED), law=laws)
def test_on_ideal_rows_capacitors_and_gates_give_what_they_set_free(seed, kind, law):
    network, drive = problem(seed, kind, **IDEAL_ROWS, **LAWS[law], c_bit=3e-14)
    network = with_gates(seed, network, charge=1e-16, c=1e-15)
    expected = brute_charges(network, drive)
    assert_close(network, solve_network(network, drive).charge, expected)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, kind=kinds, wire=wires, c_bit=st.sampled_from([0.0, 3e-14]), c_row=st.sampled_from([0.0, 3e-14]))
def test_capacitors_of_resisting_rows_stay_within_the_bound(seed, kind, wire, c_bit, c_row):
    network, drive = problem(seed, kind, **WIRES[wire], c_bit=c_bit, c_row=c_row)
    assert_within_bound(network, solve_network(network, drive), brute_charges(network, drive))


@settings(deadline=None, max_examples=15)
@given(seed=seeds, kind=st.sampled_from(GATED), wire=wires)
def test_what_gates_inject_through_resisting_rows_is_of_first_order(seed, kind, wire):
    """The transfer to the clamp is that with held rails: it may err by the share that rails carry to other lines."""
    network, drive = problem(seed, kind, **WIRES[wire])
    loaded = with_gates(seed, network, charge=1e-16)
    injected = solve_network(loaded, drive).charge - solve_network(network, drive).charge
    expected = brute_charges(loaded, drive) - brute_charges(network, drive)
    largest = np.abs(loaded.pulse_charge).sum()
    np.testing.assert_allclose(injected, expected, rtol=0, atol=0.05 * largest + ROUNDING * full_scale(network))


@settings(deadline=None, max_examples=40)
@given(
    seed=seeds,
    kind=st.sampled_from(DRIVEN),
    rows=st.booleans(),
    law=st.sampled_from(BENT),
    clamp=st.sampled_from([-0.05, 0.0, 0.02]),
)
def test_edges_of_bent_cells_stay_within_the_bound(seed, kind, rows, law, clamp):
    """Whatever the law, and wherever the clamp lets the edges begin."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, kind, **law, **({} if rows else IDEAL_ROWS))
    network = network._replace(clamp_volt=network.clamp_volt + clamp)
    drive = random_pulses(rng, network, t_edge=0.05 * T_LSB)
    solution, expected = solve_network(network, drive), brute_charges_with_edges(network, drive)
    without = solve_network(network, drive._replace(t_edge=0.0)).charge
    bound = solution.error_bound.max() / full_scale(network)
    assert_within_bound(network, solution, expected, floor=ROUNDING + BOUND_OF_EDGES * bound)
    error, uncorrected = np.abs(solution.charge - expected).max(), np.abs(without - expected).max()
    assert error <= 0.25 * uncorrected + ROUNDING * full_scale(network)


@pytest.mark.parametrize("kind", RAILS)
@pytest.mark.parametrize("wire", WIRES)
def test_currents_tick_by_tick_add_up_to_the_charge(kind, wire):
    network, drive = problem(5, kind, **WIRES[wire], v_sinh=0.3, polarity_asymmetry=0.1, c_bit=3e-14)
    network, drive = with_gates(5, network, charge=1e-16, c=1e-15), drive._replace(t_edge=0.1 * T_LSB)
    solution = solve_network(network, drive, waveforms=True)
    assert solution.current.shape == (2, N_TICK + 1, network.g.shape[2])
    rest, ticks = solution.current[:, 0], solution.current[:, 1:]
    total = ticks.sum(axis=1) * T_LSB + rest * (drive.t_window - N_TICK * T_LSB)
    assert solution.released.shape == solution.current.shape
    assert solution.released.any()
    total += solution.released.sum(axis=1)
    assert_close(network, total, solution.charge, ROUNDING)
    np.testing.assert_array_equal(solve_network(network, drive).charge, solution.charge)
    assert solve_network(network, drive).current.shape[1] == 0


@pytest.mark.parametrize("kind", RAILS)
def test_each_tick_has_the_current_of_its_own_network(kind):
    network, drive = problem(5, kind, v_sinh=0.2)
    solution, dense = solve_network(network, drive, waveforms=True), DenseNetwork(network)
    for tick in range(N_TICK + 1):
        # tick n lasts from n - 1 to n: what ends at n is still on
        volt, active = drive_state(network, drive.n_tick[0], drive.height[0], tick - 1)
        expected = dense.clamp_currents(dense.solve(volt, active), active)
        largest = full_scale(network) / (N_TICK * T_LSB)
        np.testing.assert_allclose(solution.current[0, tick], expected, rtol=0, atol=NEWTON * largest)


@pytest.mark.parametrize("kind", RAILS)
def test_the_lines_conductance_is_what_their_current_follows_the_clamp_by(kind):
    network, drive = problem(7, kind, **IDEAL_ROWS, v_sinh=0.2)
    step = 1e-5
    high, low = (
        solve_network(network._replace(clamp_volt=network.clamp_volt + d), drive, waveforms=True).current
        for d in (step, -step)
    )
    conductance = solve_network(network, drive, waveforms=True).conductance
    largest = network.g.sum(axis=(0, 1)).max()
    np.testing.assert_allclose(conductance, (low - high) / (2 * step), rtol=0, atol=1e-7 * largest)


@settings(deadline=None, max_examples=15)
@given(seed=seeds, kind=st.sampled_from(DRIVEN))
def test_agrees_with_the_ladder_on_ideal_rows(seed, kind):
    network, drive = problem(seed, kind, **IDEAL_ROWS)
    ordered = np.where(network.north, network.g.sum(axis=0)[::-1], network.g.sum(axis=0))
    transfer, y_in = transfer_to_clamp(ordered, network.r_bit, network.r_end)
    per_rail = network.g * np.where(network.north, transfer[::-1], transfer)
    weights = np.einsum("k,kil->il", network.swing_volt, per_rail) * T_LSB
    expected = (drive.n_tick * drive.height) @ weights - network.clamp_volt * y_in * drive.t_window
    assert_close(network, solve_network(network, drive).charge, expected)


@settings(deadline=None, max_examples=15)
@given(seed=seeds, kind=st.sampled_from(DRIVEN), wire=wires)
def test_agrees_with_the_mesh_of_resisting_rows(seed, kind, wire):
    network, drive = problem(seed, kind, **WIRES[wire])
    transfer, y_in = mesh_transfer(
        network.g,
        r_bit_ohm=network.r_bit,
        r_end_ohm=network.r_end,
        r_row_ohm=network.r_row,
        r_driver_ohm=network.r_driver,
        driven_end="both" if network.west and network.east else ("west" if network.west else "east"),
        north=network.north,
    )
    area = np.einsum("vi,k->vki", drive.n_tick * drive.height, network.swing_volt) * T_LSB
    expected = np.einsum("vki,kil->vl", area, transfer) - y_in @ network.clamp_volt * drive.t_window
    assert_close(network, solve_network(network, drive).charge, expected)


@settings(deadline=None, max_examples=15)
@given(seed=seeds)
def test_agrees_with_one_pass_an_event_of_gated_lines(seed):
    network, drive = problem(seed, "1t1r", **IDEAL_ROWS, c_bit=3e-14)
    n_line = network.g.shape[2]
    network = with_gates(
        seed, network._replace(clamp_volt=np.zeros(n_line), north=np.zeros(n_line, bool)), charge=1e-16, c=1e-15
    )
    g = network.g[0] / (1 + network.g[0] * network.r_access[0])
    out_of_clamp = gated_charges(
        drive.n_tick,
        g,
        curvature=np.zeros_like(g),
        pulse_charge=-network.pulse_charge[0],
        c_pulse_farad=network.c_pulse[0],
        r_ohm=network.r_bit,
        r_end_ohm=network.r_end,
        c_farad=network.c_bit,
        v_read_volt=V,
        t_lsb_second=T_LSB,
    )
    assert_close(network, -solve_network(network, drive).charge, out_of_clamp)


@pytest.mark.parametrize("kind", RAILS)
def test_rows_at_rest_leave_the_clamps_offset_alone(kind):
    network, _ = problem(3, kind, v_sinh=0.2, c_bit=1e-14, c_row=1e-14)
    n_row = network.g.shape[1]
    silent = pulses(np.zeros((1, n_row)), np.zeros((1, n_row)))
    solution = solve_network(network, silent, waveforms=True)
    assert_close(network, solution.charge, brute_charges(network, silent))
    assert np.all(solution.current == solution.current[:, :1])
    if kind in GATED:
        assert_close(network, solution.charge, 0.0, ROUNDING)
    centred = network._replace(clamp_volt=np.zeros(network.g.shape[2]))
    assert not solve_network(centred, silent).charge.any()


@pytest.mark.parametrize("kind", RAILS)
@pytest.mark.parametrize("wire", WIRES)
def test_empty_rows_and_lines_are_networks_too(kind, wire):
    rng = np.random.default_rng(9)
    network = random_network(rng, kind, n_row=4, n_line=4, **WIRES[wire])
    network.g[:, 1] = 0.0
    network.g[:, :, 2] = 0.0
    drive = random_pulses(rng, network)
    charge = solve_network(network, drive).charge
    assert_close(network, charge, brute_charges(network, drive))
    assert_close(network, charge[:, 2], 0.0, ROUNDING)
    network.g[:] = 0.0
    assert_close(network, solve_network(network, drive).charge, 0.0, ROUNDING)


def test_vectors_do_not_see_each_other():
    network, drive = problem(21, "pair", v_sinh=0.1)
    together = solve_network(network, drive).charge
    alone = solve_network(network, drive._replace(n_tick=drive.n_tick[1:], height=drive.height[1:])).charge
    np.testing.assert_array_equal(alone[0], together[1])


def test_a_line_of_one_cell_by_hand():
    """One resistor of 10 kohm behind 100 ohm of row, in front of 50 ohm of bit line, for 4 ticks."""
    one = np.full((1, 1, 1), 1e-4)
    rng = np.random.default_rng(0)
    network = random_network(rng, "passive", n_row=1, n_line=1, g=one, clamp_volt=np.zeros(1), r_row=40.0)
    charge = solve_network(network, pulses([4], [0.5])).charge[0, 0]
    assert charge == relative(0.5 * V / (1e4 + 40 + 60 + 30 + 20) * 4 * T_LSB, NEWTON)
    assert START > 0
