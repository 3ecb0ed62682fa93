"""Weights to conductances, inputs to ticks, and everything that is refused on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import pair_tile, switch_tile
from tests.tolerances import relative
from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.operands import (
    Conductances,
    combine_lines,
    conductances_from_weights,
    load_conductances,
    load_ticks,
    random_ticks,
    random_weights,
    ticks_from_inputs,
)

PAIR, SWITCH = pair_tile(), switch_tile()


def test_weights_span_the_conductance_range():
    w = np.zeros((8, 3))
    w[0], w[1] = 1.0, -1.0
    c = conductances_from_weights(PAIR, w)
    assert (c.g_plus[0, 0], c.g_minus[0, 0]) == (25e-6, 0.1e-6)
    assert (c.g_plus[1, 0], c.g_minus[1, 0]) == (0.1e-6, 25e-6)
    assert c.g_plus[2, 0] == c.g_minus[2, 0] == 0.1e-6


@given(st.floats(-1, 1))
def test_floats_round_to_the_nearest_tick(value):
    ticks = ticks_from_inputs(PAIR, np.full(8, value))
    assert ticks.shape == (1, 8)
    assert abs(ticks[0, 0] - value * 127) <= 0.5


def test_integers_are_ticks():
    ticks = ticks_from_inputs(PAIR, np.full((2, 8), -127, dtype=np.int8))
    assert ticks.dtype == np.int64
    assert np.all(ticks == -127)


def test_lines_of_a_gated_tile_alternate_plus_and_minus(rng):
    c = Conductances(g_plus=rng.random((8, 3)), g_minus=rng.random((8, 3)))
    lines = cell_layout(SWITCH, c).g_siemens[0]
    np.testing.assert_array_equal(combine_lines(SWITCH, lines), c.g_plus - c.g_minus)


def test_both_lines_of_a_column_are_read_at_the_same_end():
    tile = switch_tile(array={"read_out_end": "alternating"})
    assert lines_read_north(tile).tolist() == [False, False, True, True, False, False]
    assert lines_read_north(pair_tile(array={"read_out_end": "alternating"})).tolist() == [False, True, False]


@pytest.mark.parametrize("tile", [PAIR, SWITCH])
def test_random_operands_are_accepted_and_reach_the_limits(tile, rng):
    conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 500)
    np.testing.assert_array_equal(ticks_from_inputs(tile, ticks), ticks)
    assert ticks.max() == 127
    assert ticks.min() == (0 if tile is SWITCH else -127)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.full(8, -128, dtype=np.int8), "exceeds the 127 ticks"),
        (np.full(8, -(2**63)), "exceeds the 127 ticks"),
        (np.zeros(8, dtype="timedelta64[s]"), "expected real numbers"),
        (np.full(8, 128), r"inputs\[0, 0\] = 128 exceeds the 127 ticks of drive.input_bits = 8 \(8 such\)"),
        (np.full(8, 1.5), r"outside \[-1, 1\]; give ticks as an integer array"),
        (np.full(8, np.nan), "is not finite"),
        (np.zeros(7), r"expected \[n_vec, n_row\] = \[1, 8\], got \[1, 7\]"),
        (np.zeros((2, 2, 8)), "expected"),
        (np.full(8, 1j), "expected real numbers"),
        (np.full(8, "1"), "expected real numbers"),
        (np.zeros((0, 8)), "at least one vector"),
    ],
)
def test_bad_inputs_are_refused_with_their_place(inputs, message):
    with pytest.raises(InputError, match=message):
        ticks_from_inputs(PAIR, inputs)


def test_negative_inputs_to_a_gated_tile_are_refused():
    with pytest.raises(InputError, match=r"is negative; drive\.sign = 'unsigned' takes none"):
        ticks_from_inputs(SWITCH, np.full(8, -1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((3, 8)), "rows and columns look swapped"),
        (np.full((8, 3), -128, dtype=np.int8), r"outside \[-1, 1\]"),
        (np.full((8, 3), np.inf), "is not finite"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        conductances_from_weights(PAIR, weights)


def test_negative_and_missing_conductances_are_refused(tmp_path):
    good = np.full((8, 3), 1e-6)
    np.savez(tmp_path / "half.npz", g_plus=good)
    with pytest.raises(InputError, match="no g_minus"):
        load_conductances(PAIR, tmp_path / "half.npz")
    bad = good.copy()
    bad[2, 1] = -1e-6
    np.savez(tmp_path / "bad.npz", g_plus=good, g_minus=bad)
    with pytest.raises(InputError, match=r"bad.npz: g_minus\[2, 1\] = -1e-06 is negative"):
        load_conductances(PAIR, tmp_path / "bad.npz")


@pytest.mark.parametrize(("value", "message"), [(5.0, "give conductances in siemens"), (1e-320, "too small")])
def test_conductances_that_no_circuit_has_are_refused(value, message):
    with pytest.raises(InputError, match=message):
        Conductances(g_plus=np.full((8, 3), value), g_minus=np.zeros((8, 3)))


def test_conductances_are_float64_whatever_the_weights_are():
    single = conductances_from_weights(PAIR, np.full((8, 3), 0.5, dtype=np.float16))
    double = conductances_from_weights(PAIR, np.full((8, 3), 0.5))
    assert single.g_plus.dtype == np.float64
    np.testing.assert_array_equal(single.g_plus, double.g_plus)


def test_files_that_are_not_plain_arrays_are_refused(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00v")
    (tmp_path / "text.csv").write_text("1,2")
    np.savez(tmp_path / "two.npz", a=np.zeros(8), b=np.zeros(8))
    for name, message in (
        ("pickle.npy", "not a sound numpy file"),
        ("cut.npy", "not a sound numpy file"),
        ("text.csv", r"expected a .npy or .npz file"),
        ("gone.npy", "cannot be read"),
        ("two.npz", "expected an array named 'inputs'"),
    ):
        with pytest.raises(InputError, match=message):
            load_ticks(PAIR, tmp_path / name)


def test_arrays_come_back_from_files(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(16).reshape(2, 8))
    np.savez(tmp_path / "w.npz", weights=np.full((8, 3), 0.5))
    assert load_ticks(PAIR, tmp_path / "x.npy")[1, 7] == 15
    assert load_conductances(PAIR, tmp_path / "w.npz").g_plus[0, 0] == relative(12.55e-6, 1e-12)
