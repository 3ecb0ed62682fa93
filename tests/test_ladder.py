"""The ladder's transfer: against dense nodal analysis, and in its limits."""

import array_api_strict
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.nodal import clamp_current
from tests.tolerances import ROUNDING, relative
from tilemodel.solvers.ladder import transfer_to_clamp

conductances = st.lists(st.floats(0, 1e-3), min_size=1, max_size=12)


@given(g=conductances, r=st.floats(1e-2, 1e3))
def test_each_cells_current_reaches_the_clamp_as_in_nodal_analysis(g, r):
    g = np.array(g)
    transfer, _ = transfer_to_clamp(g[:, np.newaxis], r)
    for i in range(len(g)):
        alone = np.zeros(len(g))
        alone[i] = 1.0
        assert g[i] * transfer[i, 0] == relative(clamp_current(g, alone, r), 1e-9, floor=ROUNDING * 1e-3)


@given(g=conductances, r=st.floats(1e-2, 1e3))
def test_conductance_seen_from_the_clamp_is_the_current_of_all_sources_together(g, r):
    g = np.array(g)
    _, y = transfer_to_clamp(g[:, np.newaxis], r)
    assert y[0] == relative(clamp_current(g, np.ones(len(g)), r), 1e-9, floor=ROUNDING * 1e-3)


def test_without_wire_resistance_everything_reaches_the_clamp(rng):
    g = rng.uniform(0, 1e-3, (20, 4))
    transfer, y = transfer_to_clamp(g, 0.0)
    np.testing.assert_array_equal(transfer, 1.0)
    np.testing.assert_allclose(y, g.sum(axis=0), rtol=ROUNDING)


@given(g=conductances, r=st.floats(1e-3, 1e3), factor=st.floats(1.1, 10))
def test_more_wire_resistance_never_lets_more_through(g, r, factor):
    g = np.array(g)[:, np.newaxis]
    assert np.all(transfer_to_clamp(g, factor * r)[0] <= transfer_to_clamp(g, r)[0] * (1 + ROUNDING))


def test_farther_rows_are_attenuated_more(rng):
    transfer, _ = transfer_to_clamp(rng.uniform(1e-6, 1e-4, (30, 3)), 2.0)
    assert np.all(np.diff(transfer, axis=0) > 0)


def test_any_library_of_the_array_api_gives_the_same(rng):
    g = rng.uniform(0, 1e-4, (2, 12, 3))
    transfer, y = transfer_to_clamp(array_api_strict.asarray(g), 2.0, 5.0)
    assert isinstance(transfer, type(array_api_strict.asarray(g)))
    for k in range(2):
        alone, y_alone = transfer_to_clamp(g[k], 2.0, 5.0)
        np.testing.assert_array_equal(np.asarray(transfer[k, ...]), alone)
        np.testing.assert_array_equal(np.asarray(y[k, ...]), y_alone)
