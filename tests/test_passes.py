"""Passes: pulses whose weighted integrals are the inputs again, and drives that no row has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import pair_tile, pulses_of, switch_tile
from tests.tolerances import ROUNDING
from tilemodel.config.errors import InputError
from tilemodel.config.operands import ticks_from_inputs
from tilemodel.config.passes import tile_passes

CODINGS, SIGNS = ("conventional", "split", "bit_wise", "amplitude"), ("polarity", "two_phase", "unsigned")


@st.composite
def drives(draw):
    """A table [drive] of any coding and sign that can be."""
    coding = draw(st.sampled_from(CODINGS))
    bits = draw(st.integers(3 if coding == "split" else 2, 12))
    low = {"split_low_bits": draw(st.integers(1, bits - 2))} if coding == "split" else {}
    return {"coding": coding, "sign": draw(st.sampled_from(SIGNS)), "input_bits": bits, **low}


def batch(tile, seed):
    """Ticks that the tile accepts, with 0 and both ends among them."""
    n_max = tile.drive.n_tick_max
    low = 0 if tile.drive.sign == "unsigned" else -n_max
    ticks = np.random.default_rng(seed).integers(low, n_max, (3, 8), endpoint=True)
    ticks[0, :3] = [0, low, n_max]
    return ticks


@given(drive=drives(), seed=st.integers(0, 2**32 - 1))
def test_the_passes_weighted_integrals_are_the_inputs(drive, seed):
    tile = pair_tile(drive=drive)
    ticks = batch(tile, seed)
    total = sum(item.factor * item.tick_area for item in tile_passes(tile, ticks))
    np.testing.assert_allclose(total, ticks, rtol=0, atol=ROUNDING * tile.drive.n_tick_max)


@given(drive=drives(), seed=st.integers(0, 2**32 - 1))
def test_every_pulse_fits_its_window_and_its_drivers(drive, seed):
    tile = pair_tile(drive=drive)
    passes = tile_passes(tile, batch(tile, seed))
    for item in passes:
        assert 0 <= item.n_tick.min() <= item.n_tick.max() <= item.n_tick_max
        np.testing.assert_array_equal(item.n_tick > 0, item.height != 0)
        assert np.abs(item.height).max() <= 1
        if drive["coding"] != "amplitude":
            assert set(np.abs(item.height).ravel()) <= {0.0, 1.0}
        if drive["sign"] != "polarity":
            assert item.height.min() >= 0
    assert [item.factor < 0 for item in passes].count(True) == (len(passes) // 2 if drive["sign"] == "two_phase" else 0)


@pytest.mark.parametrize(
    ("drive", "factors", "longest"),
    [
        ({"coding": "conventional"}, [1], [127]),
        ({"coding": "split", "split_low_bits": 3}, [1, 8], [7, 15]),
        ({"coding": "bit_wise"}, [1, 2, 4, 8, 16, 32, 64], [1] * 7),
        ({"coding": "amplitude"}, [1], [127]),
        ({"coding": "conventional", "sign": "two_phase"}, [1, -1], [127, 127]),
        ({"coding": "split", "split_low_bits": 3, "sign": "two_phase"}, [1, 8, -1, -8], [7, 15, 7, 15]),
    ],
)
def test_passes_have_their_weights_and_windows(drive, factors, longest):
    tile = pair_tile(drive=drive)
    passes = tile_passes(tile, np.array([[-127, 127, 5, 0, 0, 0, 0, 0]]))
    assert [item.factor for item in passes] == factors
    assert [item.n_tick_max for item in passes] == longest
    assert [int(item.n_tick.max()) for item in passes] == longest


def test_a_window_lasts_as_long_as_its_passs_longest_pulse():
    """Start 1 ns, ticks of 1 ns, edge 50 ps, tail 2 ns."""
    assert pair_tile().t_window_second(127) == pytest.approx(130.05e-9, rel=ROUNDING, abs=0)
    assert pair_tile().t_window_second(1) == pytest.approx(4.05e-9, rel=ROUNDING, abs=0)


def test_the_bits_of_an_input_by_hand():
    """-77 = -(0b1001101): low three bits 101, high four bits 1001."""
    tile = pair_tile(drive={"coding": "split", "split_low_bits": 3})
    ticks = [-77, 8, 0, 0, 0, 0, 0, 0]
    low, high = pulses_of(tile, ticks, 0), pulses_of(tile, ticks, 1)
    assert (low.n_tick[:2].tolist(), low.height[:2].tolist()) == ([5, 0], [-1.0, 0.0])
    assert (high.n_tick[:2].tolist(), high.height[:2].tolist()) == ([9, 1], [-1.0, 1.0])


def test_amplitude_coded_pulses_differ_in_height_alone():
    pulses = pulses_of(pair_tile(drive={"coding": "amplitude"}), [127, -127, 64, 1, 0, 0, 0, 0])
    assert pulses.n_tick.tolist() == [127, 127, 127, 127, 0, 0, 0, 0]
    np.testing.assert_allclose(pulses.height[:4], [1, -1, 64 / 127, 1 / 127], rtol=ROUNDING)


@pytest.mark.parametrize("make", [pair_tile, switch_tile])
def test_an_unsigned_drive_refuses_negative_inputs(make):
    tile = make(drive={"sign": "unsigned"})
    with pytest.raises(InputError, match=r"inputs\[0, 2\] = -1 is negative; drive\.sign = 'unsigned' takes none"):
        ticks_from_inputs(tile, np.array([0, 3, -1, 0, 0, 0, 0, -5]))


@pytest.mark.parametrize(
    ("drive", "message"),
    [
        ({"coding": "split"}, "split_low_bits belongs to coding = 'split', and only to it"),
        ({"coding": "bit_wise", "split_low_bits": 2}, "split_low_bits belongs to coding = 'split', and only to it"),
        ({"coding": "split", "split_low_bits": 7}, "split_low_bits must be below the 7 bits of an input's magnitude"),
        ({"coding": "split", "split_low_bits": 2, "input_bits": 3}, "must be below the 2 bits"),
        ({"coding": "split", "split_low_bits": 0}, "split_low_bits: .*greater than or equal to 1"),
        ({"coding": "pulses"}, "coding: .*'conventional', 'split', 'bit_wise' or 'amplitude'"),
        ({"sign": "both"}, "sign: .*'polarity', 'two_phase' or 'unsigned'"),
        ({"input_bits": 13}, "input_bits: .*less than or equal to 12"),
        ({"input_bits": 1}, "input_bits: .*greater than or equal to 2"),
    ],
)
def test_drives_that_no_row_has_are_refused(drive, message):
    with pytest.raises(InputError, match=message):
        pair_tile(drive=drive)
