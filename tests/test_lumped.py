"""Lumped gated lines against the exact way: equal where nothing is lumped, within the estimate where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tolerances import LUMPED_SMALL_TERMS, ROUNDING
from tilemodel import InputError, TileModel, ideal_charge, load_tile
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.solvers.gated import gated_charges
from tilemodel.solvers.lumped import lump_lines, lumped_charges
from tilemodel.solvers.pulse_groups import group_pulses

N_TICK = 127
CIRCUIT = {"r_end_ohm": 3.0, "v_read_volt": 0.2, "t_lsb_second": 1e-8}


def evenly(rng, n_row):
    return rng.integers(0, N_TICK + 1, (2, n_row))


def one_length(rng, n_row):
    """All pulses end together: every group but one is empty."""
    return np.where(rng.random((2, n_row)) < 0.5, 77, 0)


def sorted_ends(rng, n_row):
    """Near rows end last, and in the other vector first: segments empty one after the other."""
    ends = np.sort(rng.integers(0, N_TICK + 1, n_row))
    return np.stack([ends, ends[::-1]])


def in_two_heaps(rng, n_row):
    """Half of every segment ends early, half late."""
    early = np.arange(n_row) % 16 < 8
    return np.stack([np.where(early, 20, 110), np.where(early, 110, 21)])


def few(rng, n_row):
    return np.where(rng.random((2, n_row)) < 0.05, rng.integers(1, N_TICK + 1, (2, n_row)), 0)


def random_cells(rng, shape):
    return rng.uniform(1e-6, 40e-6, shape)


def two_values(rng, shape):
    return np.where(rng.random(shape) < 0.5, 1e-6, 40e-6)


def with_empty_cells(rng, shape):
    return np.where(rng.random(shape) < 0.3, 0.0, 20e-6)


def growing(rng, shape):
    return np.linspace(1e-6, 40e-6, shape[0])[:, np.newaxis] * rng.uniform(0.5, 1, (1, shape[1]))


PULSES = (evenly, one_length, sorted_ends, in_two_heaps, few)
CELLS = (random_cells, two_values, with_empty_cells, growing)


def both(ticks, g, *, r=1.0, segment, group, dtype=np.float64, rho=0.0, q=0.0, c_pulse=0.0, c_wire=0.0):
    curvature, pulse = rho * g**3, np.full_like(g, q)
    circuit = {**CIRCUIT, "r_ohm": r, "c_pulse_farad": c_pulse, "c_farad": c_wire}
    exact = gated_charges(ticks, g, curvature=curvature, pulse_charge=pulse, **circuit)
    lines = lump_lines(g, curvature, pulse, segment, dtype)
    return exact, lumped_charges(ticks, lines, n_row_group=group, **circuit)


def estimate(lumped):
    return lumped.time_error + lumped.space_error + lumped.rounding_error


@pytest.mark.parametrize("pulses", PULSES)
@pytest.mark.parametrize("cells", CELLS)
def test_segments_of_one_row_and_groups_of_one_moment_lump_nothing(pulses, cells, rng):
    g = cells(rng, (40, 5))
    exact, lumped = both(pulses(rng, 40), g, r=20.0, segment=1, group=0, rho=2e7)
    np.testing.assert_allclose(lumped.charge, exact, rtol=0, atol=ROUNDING * exact.max())


def test_pulse_ends_and_capacitors_follow_too(rng):
    g = random_cells(rng, (64, 5))
    terms = {"q": 3e-16, "c_pulse": 1e-15, "c_wire": 1e-14}
    exact, lumped = both(evenly(rng, 64), g, r=20.0, segment=1, group=0, **terms)
    bare, _ = both(evenly(np.random.default_rng(0), 64), g, r=20.0, segment=1, group=0)
    assert np.abs(lumped.charge - exact).max() < LUMPED_SMALL_TERMS * np.abs(exact - bare).max()


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    pulses=st.sampled_from(PULSES),
    cells=st.sampled_from(CELLS),
    n_row=st.integers(1, 300),
    r=st.sampled_from([0.05, 0.33, 2.0]),
    lumping=st.sampled_from([(4, 2), (8, 4), (16, 0), (16, 16), (32, 16), (64, 64)]),
    dtype=st.sampled_from([np.float32, np.float64]),
    small=st.sampled_from([{}, {"rho": 2e7, "q": 3e-16, "c_pulse": 1e-15}]),
)
def test_the_estimate_covers_the_error(seed, pulses, cells, n_row, r, lumping, dtype, small):
    rng = np.random.default_rng(seed)
    g = cells(rng, (n_row, 6))
    segment, group = lumping
    exact, lumped = both(pulses(rng, n_row), g, r=r, segment=segment, group=group, dtype=dtype, **small)
    error = np.abs(lumped.charge - exact)
    assert np.all(error <= estimate(lumped) + ROUNDING * exact.max()), error / exact.max()


def test_finer_lumping_is_more_accurate_and_the_estimate_is_of_its_order(rng):
    g, ticks = random_cells(rng, (512, 64)), evenly(rng, 512)
    errors, estimates = [], []
    for segment, group in ((64, 64), (32, 32), (16, 16), (8, 8), (4, 4)):
        exact, lumped = both(ticks, g, r=0.33, segment=segment, group=group)
        errors.append(np.abs(lumped.charge - exact).max())
        estimates.append(estimate(lumped).max())
    assert np.all(np.diff(errors) < 0)
    assert np.all(np.diff(estimates) < 0)
    assert max(estimates) < 30 * max(errors)


def test_pulses_that_end_together_make_a_group_of_their_own(rng):
    groups = group_pulses(in_two_heaps(rng, 64), n_row_group=8, n_row_segment=16, dtype=np.float64)
    np.testing.assert_array_equal(groups.n_tick[0, :4], [0, 20, 90, 0])
    assert not groups.share.any()


def test_groups_hold_all_of_the_pulses(rng):
    ticks = evenly(rng, 200)
    groups = group_pulses(ticks, n_row_group=16, n_row_segment=16, dtype=np.float64)
    begin = np.cumsum(groups.n_tick, axis=1) - groups.n_tick
    for vector, x in enumerate(ticks):
        k = np.minimum(groups.group[vector], groups.n_tick.shape[1] - 1)
        length = begin[vector, k] + groups.share[vector] * groups.n_tick[vector, k]
        np.testing.assert_allclose(length, x, atol=1e-9)


@pytest.mark.parametrize("accuracy", [1e-2, 1e-3, 2e-4, 1e-5, 1e-9])
def test_a_tile_keeps_to_the_accuracy_that_is_asked_for(accuracy, rng):
    tile = load_tile("examples/switch_32x8.toml")
    array = tile.array.model_copy(update={"n_row": 200, "read_out_end": "alternating"})
    tile = tile.model_copy(update={"array": array})
    c, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 4)
    exact, quick = TileModel(tile, c).mvm(ticks), TileModel(tile, c, accuracy=accuracy).mvm(ticks)
    error = np.abs(quick.charge_coulomb - exact.charge_coulomb)
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    assert error.max() <= accuracy * full_scale
    assert np.all(error <= quick.error_bound_coulomb + exact.error_bound_coulomb)
    lumping = (quick.error_bound_coulomb - exact.error_bound_coulomb).max()
    assert lumping <= accuracy * full_scale * (1 + ROUNDING)
    assert quick.provenance["accuracy"] == accuracy


@pytest.mark.parametrize("coding", ["conventional", "split", "bit_wise"])
def test_passes_that_are_subtracted_share_the_accuracy(coding, rng):
    """Positive and negative inputs that nearly cancel leave a full scale far below that of each phase."""
    tile = load_tile("examples/circuits/input_two_phase.toml")
    array = tile.array.model_copy(update={"n_row": 128, "n_col": 4})
    split = {"split_low_bits": 3 if coding == "split" else None, "coding": coding}
    tile = tile.model_copy(update={"array": array, "drive": tile.drive.model_copy(update=split)})
    weights = np.repeat(random_weights(tile, rng)[::2], 2, axis=0)
    ticks = random_ticks(tile, rng, 3)
    ticks[:, 1::2] = -ticks[:, ::2]
    ticks[:, 0] = 127
    c = conductances_from_weights(tile, weights)
    exact, quick = TileModel(tile, c).mvm(ticks), TileModel(tile, c, accuracy=1e-2).mvm(ticks)
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    assert np.abs(quick.charge_coulomb - exact.charge_coulomb).max() <= 1e-2 * full_scale
    assert (quick.error_bound_coulomb - exact.error_bound_coulomb).max() <= 1e-2 * full_scale * (1 + ROUNDING)


@pytest.mark.parametrize("accuracy", [0.0, -1e-3, 0.1, float("nan"), "rough", None])
def test_an_accuracy_that_means_nothing_is_refused(accuracy, rng):
    tile = load_tile("examples/switch_32x8.toml")
    c = conductances_from_weights(tile, random_weights(tile, rng))
    with pytest.raises(InputError, match="accuracy: expected 'exact' or a fraction"):
        TileModel(tile, c, accuracy=accuracy)
