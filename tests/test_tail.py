"""Windows that cut the tail: against brute force in time, against ngspice, and in their limits."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.linalg import expm

from spice_netlists.deck import build_deck
from spice_netlists.engines import run_deck
from tests.conftest import pair_tile, pulses_of
from tests.nodal import conductance_matrix
from tests.tolerances import ROUNDING, SPICE_LINEAR, relative
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.model import ideal_charge
from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.solvers.tail import CutTail, PulseTiming, cut_tail_charge, pulse_integral

V = 0.2
START, T_LSB, EDGE, N_TICK = 1e-9, 1e-9, 0.2e-9, 7
# The implicit integration's own error, of the correction: it falls with the square of the step
STEPPED = 1e-5
WINDOWS = {
    "after all pulses": START + N_TICK * T_LSB + EDGE + 0.05e-9,
    "as the last edge ends": START + N_TICK * T_LSB + EDGE,
    "between pulse ends": START + 3 * T_LSB + 0.7e-9,
    "on a falling edge": START + 3 * T_LSB + 0.1e-9,
    "on the rising edge": START + 0.07e-9,
}
# Segment, end resistance [ohm]
WIRES = {"ladder": (50.0, 0.0), "ladder and end": (50.0, 30.0), "lumped": (0.0, 300.0)}


def timing(t_window, *, t_lsb=T_LSB, edge=EDGE):
    return PulseTiming(t_start_second=START, t_lsb_second=t_lsb, t_edge_second=edge, t_window_second=t_window)


def operands(rng, n_row=12, n_line=2, n_vec=2):
    g_plus, g_minus = rng.uniform(0, 2.5e-5, (2, n_row, n_line))
    ticks = rng.integers(-N_TICK, N_TICK, (n_vec, n_row), endpoint=True)
    ticks[0, :3] = [N_TICK, 0, -1]
    return g_plus + g_minus, g_plus - g_minus, ticks


def drive(ticks, t, time):
    """s(t) [n_row] at `time`."""
    rise = np.clip((time - t.t_start_second) / t.t_edge_second, 0, 1)
    fall = np.clip((time - t.t_start_second - np.abs(ticks) * t.t_lsb_second) / t.t_edge_second, 0, 1)
    return np.sign(ticks) * (rise - fall)


def corners(ticks, t):
    """Times between which the drive is linear, from 0 to the window's end."""
    ends = t.t_start_second + np.union1d(0, np.abs(ticks)) * t.t_lsb_second
    inside = [x for x in [*ends, *(ends + t.t_edge_second)] if x < t.t_window_second * (1 - 1e-12)]
    return np.unique([0.0, *inside, t.t_window_second])


def network(g, d, r, r_end, c):
    """Y, the drive's matrix, the capacitance at each node, the conductance to the clamp."""
    if r == 0:
        return np.array([[g.sum() + 1 / r_end]]), d[None, :] * V, len(g) * c, 1 / r_end
    matrix = conductance_matrix(g, r)
    matrix[-1, -1] += 1 / (r + r_end) - 1 / r
    return matrix, np.diag(d) * V, c, 1 / (r + r_end)


def stepped_charge(g, d, ticks, r, r_end, c, t, substeps=1500):
    """Clamp charge in the window by the trapezoidal rule in fine steps, finer after each corner of the drive."""
    matrix, enters, c, y_end = network(g, d, r, r_end, c)
    unit = np.eye(len(matrix)) * c
    u, charge = np.zeros(len(matrix)), 0.0
    for begin, end in pairwise(corners(ticks, t)):
        edges = begin + (end - begin) * (np.geomspace(1.0, 1e3, substeps + 1) - 1) / (1e3 - 1)
        for start, stop in pairwise(edges):
            h, before = stop - start, u
            source = enters @ (drive(ticks, t, start) + drive(ticks, t, stop)) / 2
            u = np.linalg.solve(unit / h + matrix / 2, (unit / h - matrix / 2) @ before + source)
            charge += h * y_end * (before[-1] + u[-1]) / 2
    return charge


def exact_charge(g, d, ticks, r, r_end, c, t):
    """The same by matrix exponentials of node voltages, charge and linear drive, in units of ns and fC."""
    matrix, enters, c, y_end = network(g, d, r, r_end, c)
    n = len(matrix)
    z = np.zeros(n + 1)
    for begin, end in pairwise(corners(ticks, t)):
        first, last = enters @ drive(ticks, t, begin), enters @ drive(ticks, t, end)
        h = (end - begin) * 1e9
        m = np.zeros((3 * n + 1, 3 * n + 1))
        m[:n, :n], m[:n, n + 1 : 2 * n + 1] = -matrix / c * 1e-9, np.eye(n) / c * 1e-15
        m[n, n - 1] = y_end * 1e6
        m[n + 1 : 2 * n + 1, 2 * n + 1 :] = np.eye(n)
        z = (expm(m * h) @ np.concatenate([z, first * 1e6, (last - first) / h * 1e6]))[: n + 1]
    return z[n] * 1e-15


def static_charge(g, d, ticks, r, r_end, t):
    transfer, y = transfer_to_clamp(g, r)
    return pulse_integral(ticks, t) @ (transfer / (1 + r_end * y) * d * V)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("wires", WIRES.values(), ids=WIRES)
def test_static_charge_and_correction_are_the_transient(wires, window, rng):
    (r, r_end), t, c = wires, timing(window), 2e-14
    g, d, ticks = operands(rng)
    tail = cut_tail_charge(g, d, ticks, r_ohm=r, r_end_ohm=r_end, c_farad=c, v_volt=V, timing=t, tolerance=1e-12)
    charge = static_charge(g, d, ticks, r, r_end, t) + tail.charge_coulomb
    exact = [[exact_charge(g[:, n], d[:, n], x, r, r_end, c, t) for n in range(2)] for x in ticks]
    full_scale = np.abs(exact).max()
    assert np.abs(tail.charge_coulomb).max() > 1e-5 * full_scale
    np.testing.assert_allclose(charge, exact, rtol=0, atol=1e-11 * full_scale)


def test_the_implicit_integration_says_the_same(rng):
    (r, r_end), t, c = WIRES["ladder and end"], timing(WINDOWS["between pulse ends"]), 2e-14
    g, d, ticks = operands(rng, n_row=6, n_line=1, n_vec=1)
    tail = cut_tail_charge(g, d, ticks, r_ohm=r, r_end_ohm=r_end, c_farad=c, v_volt=V, timing=t)
    stepped = stepped_charge(g[:, 0], d[:, 0], ticks[0], r, r_end, c, t)
    missing = stepped - static_charge(g, d, ticks, r, r_end, t)[0, 0]
    assert tail.charge_coulomb[0, 0] == relative(missing, STEPPED)


@pytest.mark.parametrize("window", [START - 0.5e-9, START + N_TICK * T_LSB + 0.1e-9, 1e-6])
def test_the_clipped_integral_of_the_pulses(window):
    ticks, t = np.arange(-N_TICK, N_TICK + 1), timing(window)
    grid = np.linspace(0, window, 200_001)
    expected = [np.trapezoid(drive(ticks[:, None], t, grid)[i], grid) for i in range(len(ticks))]
    np.testing.assert_allclose(pulse_integral(ticks, t), expected, rtol=0, atol=1e-6 * T_LSB)


def test_a_triangle_is_a_pulse_too(rng):
    t = timing(START + 2.1 * T_LSB, edge=T_LSB)
    g, d, _ = operands(rng)
    ticks = np.ones((1, 12), dtype=np.int64)
    tail = cut_tail_charge(g, d, ticks, r_ohm=50.0, r_end_ohm=0.0, c_farad=2e-14, v_volt=V, timing=t, tolerance=1e-12)
    exact = exact_charge(g[:, 0], d[:, 0], ticks[0], 50.0, 0.0, 2e-14, t)
    charge = static_charge(g, d, ticks, 50.0, 0.0, t) + tail.charge_coulomb
    assert charge[0, 0] == relative(exact, 1e-11)


@pytest.mark.parametrize(("r", "r_end", "c"), [(50.0, 30.0, 0.0), (0.0, 0.0, 2e-14)])
def test_without_capacitors_or_wires_nothing_is_left(r, r_end, c, rng):
    g, d, ticks = operands(rng)
    t = timing(WINDOWS["between pulse ends"])
    tail = cut_tail_charge(g, d, ticks, r_ohm=r, r_end_ohm=r_end, c_farad=c, v_volt=V, timing=t)
    assert not tail.charge_coulomb.any()
    assert not tail.dropped_coulomb.any()


def test_a_settled_line_has_lost_nothing(rng):
    g, d, ticks = operands(rng)
    tail = cut_tail_charge(g, d, ticks, r_ohm=50.0, r_end_ohm=0.0, c_farad=2e-14, v_volt=V, timing=timing(1e-6))
    full_scale = np.abs(static_charge(g, d, ticks, 50.0, 0.0, timing(1e-6))).max()
    assert np.abs(tail.charge_coulomb).max() <= ROUNDING * full_scale
    assert tail.n_mode == 0


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_dropped_modes_stay_within_their_bound(window, rng):
    """Coarse tolerances drop modes: the bound must hold, and be what was asked for."""
    g, d, ticks = operands(rng, n_row=40, n_line=3, n_vec=4)
    options = {"r_ohm": 50.0, "r_end_ohm": 10.0, "c_farad": 2e-14, "v_volt": V, "timing": timing(window)}
    exact = cut_tail_charge(g, d, ticks, **options, tolerance=1e-15)
    scale = V * T_LSB * N_TICK * np.linalg.norm(d, axis=0).max()
    for tolerance in (1e-2, 1e-4, 1e-6):
        coarse = cut_tail_charge(g, d, ticks, **options, tolerance=tolerance)
        assert coarse.n_mode <= exact.n_mode
        assert coarse.dropped_coulomb.max() <= tolerance * scale
        error = np.abs(coarse.charge_coulomb - exact.charge_coulomb)
        assert (error <= coarse.dropped_coulomb + exact.dropped_coulomb + ROUNDING * scale).all()


def test_lines_and_vectors_do_not_see_each_other(rng):
    g, d, ticks = operands(rng, n_line=5, n_vec=4)
    t = timing(WINDOWS["after all pulses"])
    options = {"r_ohm": 50.0, "r_end_ohm": 0.0, "c_farad": 2e-14, "v_volt": V, "timing": t}
    together = CutTail(g, d, **options, n_tick_max=N_TICK, tolerance=1e-12)
    together = together.charges(np.abs(ticks), np.sign(ticks).astype(float)).charge_coulomb
    alone = cut_tail_charge(g[:, 3:4], d[:, 3:4], ticks[2:3], **options, tolerance=1e-12).charge_coulomb
    assert alone[0, 0] == relative(together[2, 3], 1e-9)


SPICE_WIRES = {"ladder": (5.0, 0.0), "ladder and end": (5.0, 200.0), "lumped": (0.0, 300.0)}


def spice_charge(deck, r_end, t_window):
    """Clamp charge from 0 to `t_window` of a deck with `r_end` put in front of its clamps."""
    text = deck.text
    for n in deck.lines if r_end > 0 else ():
        text = text.replace(f"Vclamp{n} c{n} ", f"Rend{n} c{n} k{n} {r_end!r}\nVclamp{n} k{n} ")
    run = run_deck(replace(deck, text=text), timeout_second=120)
    inside = run.time_second < t_window
    time = np.append(run.time_second[inside], t_window)
    last = [np.interp(t_window, run.time_second, i) for i in run.sensed]
    return np.trapezoid(np.column_stack([run.sensed[:, inside], last]), time, axis=1)


@pytest.mark.spice
@pytest.mark.parametrize("wires", SPICE_WIRES.values(), ids=SPICE_WIRES)
@pytest.mark.parametrize("after_start", [15.25e-9, 9.6e-9], ids=["tail cut", "inside the pulses"])
def test_cut_windows_against_ngspice(wires, after_start, rng):
    r, r_end = wires
    tile = pair_tile(
        array={"n_row": 64, "n_col": 2},
        wires={"r_bit_line_ohm": r, "c_bit_line_farad": 2e-14},
        drive={"input_bits": 5},
        read_out={"t_tail_second": 1e-9},
        simulator={"max_step_per_lsb": 0.01},
    )
    written, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 1)
    ticks[0, :4] = tile.drive.n_tick_max
    t_window = tile.drive.t_start_second + after_start
    reference = spice_charge(build_deck(tile, written, pulses_of(tile, ticks[0])), r_end, t_window)
    g, d = written.g_plus + written.g_minus, written.g_plus - written.g_minus
    t = timing(t_window, edge=tile.drive.t_edge_second)
    tail = cut_tail_charge(g, d, ticks, r_ohm=r, r_end_ohm=r_end, c_farad=2e-14, v_volt=V, timing=t)
    y_in = transfer_to_clamp(g, r)[1]
    offset = (0.4 - 0.4005) * t_window * y_in / (1 + r_end * y_in)
    full_scale = np.abs(ideal_charge(tile, written, ticks)).max()
    without = static_charge(g, d, ticks, r, r_end, t)[0] + offset - reference
    assert np.abs(without).max() > 100 * SPICE_LINEAR * full_scale
    assert np.abs(without + tail.charge_coulomb[0]).max() < SPICE_LINEAR * full_scale
