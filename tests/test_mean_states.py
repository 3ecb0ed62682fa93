"""Gated lines by a few mean states: against the exact way, and their gradient against differences."""

import numpy as np
import pytest

from tests.tolerances import MEAN_STATES, ROUNDING
from tilemodel.solvers.gated import gated_charges
from tilemodel.solvers.mean_states import CellNoise, Lumping, MeanStates

R_OHM = 0.33


def exact(ticks, g, r_ohm=R_OHM, r_end_ohm=0.0):
    none = np.zeros_like(g)
    numbers = {"r_ohm": r_ohm, "r_end_ohm": r_end_ohm, "v_read_volt": 1.0, "t_lsb_second": 1.0}
    return gated_charges(ticks, g, curvature=none, pulse_charge=none, c_pulse_farad=0.0, c_farad=0.0, **numbers)


def cells(rng, n_row=512, n_col=16):
    """Pairs of lines of weights as networks have them, within 1 to 40 uS."""
    weights = rng.standard_normal((n_row, n_col))
    weights /= np.abs(weights).max(axis=0)
    return 1e-6 + 39e-6 * np.stack([weights.clip(0), (-weights).clip(0)], axis=-1).reshape(n_row, -1)


def inputs(kind, rng, n_vec=16, n_row=512):
    x = rng.standard_normal((n_vec, n_row))
    if kind == "outliers":
        x[:, :4] *= 6
    elif kind == "uniform":
        x = rng.uniform(-1, 1, x.shape)
    elif kind == "sorted":
        x = np.sort(x, axis=1)
    elif kind == "two lengths":
        x = rng.choice([0.0, 0.3, 1.0], x.shape)
    return np.rint(127 * (x / np.abs(x).max()).clip(0)).astype(np.int64)


@pytest.mark.parametrize("r_end_ohm", [0.0, 50.0])
def test_a_segment_a_row_and_a_group_an_end_are_exact(r_end_ohm, rng):
    g, ticks = cells(rng, 24, 3), rng.integers(0, 12, (5, 24))
    ticks[1] = 0
    expected = exact(ticks, g, 40.0, r_end_ohm)
    got, ideal = MeanStates(g, 40.0, r_end_ohm, np.float64).charges(ticks, Lumping(1, 300))
    np.testing.assert_allclose(got, expected, rtol=0, atol=ROUNDING * expected.max())
    np.testing.assert_allclose(ideal, ticks @ g, rtol=0, atol=ROUNDING * ideal.max())
    assert (ideal - got).max() > 0.03 * ideal.max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["normal", "outliers", "uniform", "sorted", "two lengths"])
def test_few_states_are_near_the_exact_charges_and_more_are_nearer(kind, dtype, rng):
    g, ticks = cells(rng), inputs(kind, rng)
    expected = exact(ticks, g)
    scale = np.abs(ticks @ g)[:, ::2].max()
    lines = MeanStates(g, R_OHM, 0.0, dtype)
    errors = [np.abs(lines.charges(ticks, Lumping(*each))[0] - expected).max() / scale for each in MEAN_STATES]
    assert all(error < bound for error, bound in zip(errors, MEAN_STATES.values(), strict=True))


def test_the_gradient_is_that_of_the_formulas(rng):
    """Of conductances by differences; of ticks by moving pulses within their groups, where charges are smooth."""
    g, ticks = cells(rng, 20, 3), rng.integers(0, 30, (4, 20))
    ticks[1], ticks[2, 3:] = 0, 0
    pull, lumping = rng.standard_normal((4, 6)), Lumping(8, 3)

    def total(g):
        return (MeanStates(g, 300.0, 20.0, np.float64).charges(ticks, lumping)[0] * pull).sum()

    _, by_g = MeanStates(g, 300.0, 20.0, np.float64).gradient(ticks, pull, lumping)
    for i, j in [(0, 0), (7, 3), (8, 1), (19, 5)]:
        step = np.zeros_like(g)
        step[i, j] = 1e-4 * g[i, j]
        numeric = (total(g + step) - total(g - step)) / (2 * step[i, j])
        assert by_g[i, j] == pytest.approx(numeric, rel=1e-6, abs=1e-6 * np.abs(by_g).max())


def test_the_gradient_by_ticks_is_a_rows_current(rng):
    """A row that is on a tick longer adds what it carries to the clamp, g w^2, of the mean state for all lines."""
    g, ticks = cells(rng, 12, 2), np.full((1, 12), 9)
    ticks[0, 5] = 0
    lines = MeanStates(g, 200.0, 0.0, np.float64)
    by_ticks, _ = lines.gradient(ticks, np.ones((1, 4)), Lumping(1, 1))
    currents = [exact(np.where(np.arange(12) == i, 0, ticks > 0).astype(np.int64), g, 200.0).sum() for i in range(12)]
    # of one row's conductance from 0 to g the current is concave: its slope at g lies below the secant
    whole = exact((ticks > 0).astype(np.int64), g, 200.0).sum()
    for i, current in enumerate(currents):
        if i != 5:
            assert 0.9 * (whole - current) < by_ticks[0, i] < (whole - current)
    with_row = exact(np.ones((1, 12), dtype=np.int64), g, 200.0).sum()
    assert (with_row - whole) < by_ticks[0, 5] < 1.1 * (with_row - whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_covariances_between_passes_are_those_of_moved_cells(dtype, rng):
    """With a segment a row and a group an end: derivatives of the exact charges by each cell, the sum over rows."""
    g, ticks = cells(rng, 12, 2), rng.integers(0, 9, (2, 3, 12))
    ticks[0, 1, 4:], slope, at_end = 0, rng.uniform(0.5, 1.0, g.shape), rng.uniform(0.0, 1.0, g.shape)
    pairs, of_cells = np.array([[0, 0, 0], [0, 1, 9]]), rng.uniform(0.0, 1.0, (2, *g.shape))
    of_ticks = rng.uniform(0.1, 1.0, (2, 81, 2))
    of_ticks[0, 0] = of_ticks[1, :9] = of_ticks[1, ::9] = 0
    expected = np.zeros((2, 3, g.shape[1]))
    for i in range(len(g)):
        step = np.zeros_like(g)
        step[i] = 1e-4 * g[i]
        moved = [(exact(x, g + step, 40.0) - exact(x, g - step, 40.0)) / (2 * step[i]) for x in ticks]
        counted = [each * slope[i] + at_end[i] for each in moved]
        for n, (p, q, stride) in enumerate(pairs):
            entry = stride * ticks[p][:, i] + ticks[q][:, i]
            expected[n] += counted[p] * counted[q] * (of_ticks[n, entry] @ of_cells[:, i])
    noise = CellNoise(pairs=pairs, of_ticks=of_ticks, of_cells=of_cells, slope=slope, at_end=at_end)
    got = MeanStates(g, 40.0, 0.0, dtype).covariances(ticks, noise, Lumping(1, 300))
    np.testing.assert_allclose(got, expected, rtol=1e-4 if dtype == np.float32 else 1e-7)
