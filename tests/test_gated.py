"""The event-by-event charge: each of its terms against brute force, and its limits."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nodal import clamp_current, curved_cells_current, switched_line_charge
from tests.tolerances import FIRST_ORDER, ROUNDING, relative
from tilemodel.gated_1t1r import cell_conductance
from tilemodel.solvers.gated import gated_charges

V, T_LSB = 0.2, 1e-9


def charges(ticks, g, *, r=5.0, c=0.0, curvature=None, pulse=None, c_pulse=0.0):
    return gated_charges(
        np.atleast_2d(ticks),
        g,
        curvature=np.zeros_like(g) if curvature is None else curvature,
        pulse_charge=np.zeros_like(g) if pulse is None else pulse,
        c_pulse_farad=c_pulse,
        r_ohm=r,
        r_end_ohm=0.0,
        c_farad=c,
        v_read_volt=V,
        t_lsb_second=T_LSB,
    )


def tick_by_tick(ticks, g, r):
    """Conduction by one dense solution a tick."""
    total = 0.0
    for tick in range(1, int(ticks.max()) + 1):
        on = g * (ticks >= tick)
        total += clamp_current(on, np.full(len(g), V), r) * T_LSB
    return total


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_row=st.integers(1, 12),
    r=st.floats(1e-2, 1e3),
    n_tick=st.integers(1, 20),
)
def test_conduction_is_the_sum_over_ticks_of_dense_solutions(seed, n_row, r, n_tick):
    draw = np.random.default_rng(seed)
    g = draw.uniform(0, 1e-4, (n_row, 2)) * (draw.random((n_row, 2)) > 0.2)
    ticks = draw.integers(0, n_tick, n_row, endpoint=True)
    expected = [tick_by_tick(ticks, g[:, line], r) if ticks.any() else 0.0 for line in range(2)]
    full_scale = V * T_LSB * n_tick * 1e-4
    np.testing.assert_allclose(charges(ticks, g, r=r)[0], expected, rtol=1e-9, atol=ROUNDING * full_scale)


def test_without_wire_resistance_it_is_the_ideal_product(rng):
    g = rng.uniform(0, 1e-4, (40, 5))
    ticks = rng.integers(0, 128, (7, 40))
    np.testing.assert_allclose(charges(ticks, g, r=0.0), ticks @ g * (V * T_LSB), rtol=ROUNDING)


def test_lines_are_independent_of_their_number(rng):
    """Lines are computed in groups: one alone must come out as in the middle of many."""
    g = rng.uniform(0, 1e-4, (9, 70))
    ticks = rng.integers(0, 128, (3, 9))
    together = charges(ticks, g)
    for line in (0, 31, 32, 69):
        np.testing.assert_array_equal(charges(ticks, g[:, [line]])[:, 0], together[:, line])


def test_capacitors_add_what_a_fine_integration_finds(rng):
    g = rng.uniform(1e-5, 1e-3, 6)
    ticks = np.array([3, 0, 20, 7, 20, 12])
    r, c = 200.0, 5e-15
    without = charges(ticks, g[:, np.newaxis], r=r)[0, 0]
    with_term = charges(ticks, g[:, np.newaxis], r=r, c=c)[0, 0]
    brute = switched_line_charge(ticks, g, r, c, V, T_LSB, t_tail=1e-9)
    assert with_term - without > 1e-4 * without  # the term matters here
    assert with_term - without == relative(brute - without, 1e-3)


def test_curvature_is_the_first_order_of_a_full_solution(rng):
    g_memory = rng.uniform(1e-5, 4e-5, 20)
    g = cell_conductance(g_memory, 900.0, 5e6, V)[:, np.newaxis]
    curvature = 5e6 * g**3
    ticks = np.full(20, 10)
    exact = curved_cells_current(g_memory, 900.0, 5e6, V, 20.0) * 10 * T_LSB
    linear = charges(ticks, g, r=20.0)[0, 0]
    corrected = charges(ticks, g, r=20.0, curvature=curvature)[0, 0]
    assert abs(linear - exact) > 1e-5 * exact  # the term matters here
    assert corrected - linear == relative(exact - linear, FIRST_ORDER)


@given(g=st.floats(1e-9, 1e-3), r=st.floats(0, 1e4), slope=st.floats(0, 1e9), v=st.floats(1e-3, 1.0))
def test_cell_conductance_solves_the_cells_equation(g, r, slope, v):
    current = v * cell_conductance(np.array(g), r, slope, v)
    assert current * (1 / g + r + slope * current) == relative(v, 1e-12)


def test_each_pulse_adds_its_charge_once_and_silent_rows_none():
    g = np.full((4, 1), 1e-5)
    pulse = np.array([1.0, 2.0, 4.0, 8.0])[:, np.newaxis] * 1e-16
    ticks = np.array([0, 5, 5, 9])
    added = charges(ticks, g, r=0.0, pulse=pulse) - charges(ticks, g, r=0.0)
    assert added[0, 0] == relative(14e-16, 1e-9)


def test_pulse_charge_of_an_empty_cell_is_nothing():
    g = np.array([[1e-5], [0.0]])
    pulse = np.full((2, 1), 1e-16)
    added = charges(np.array([5, 5]), g, r=0.0, pulse=pulse) - charges(np.array([5, 5]), g, r=0.0)
    assert added[0, 0] == relative(1e-16, 1e-9)


def test_pulse_charge_is_attenuated_as_after_the_pulse():
    """Row 0's pulse ends while row 1 still conducts; what it adds passes the ladder of row 1 alone."""
    g, r = np.array([[1e-3], [2e-3]]), 50.0
    pulse = np.array([[1e-16], [0.0]])
    ticks = np.array([3, 10])
    added = charges(ticks, g, r=r, pulse=pulse)[0, 0] - charges(ticks, g, r=r)[0, 0]
    probe = 1e-12  # a hardly conducting source in place of the ended cell measures the transfer
    transfer = clamp_current(np.array([probe, 2e-3]), np.array([1.0, 0.0]), r) / probe
    assert added == relative(1e-16 * transfer, 1e-6)
