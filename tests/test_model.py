"""The tile model: limits, identities, and refusal of what it does not cover."""

import numpy as np
import pytest

from tests.conftest import pair_tile, switch_tile
from tests.nodal import clamp_current
from tests.tolerances import ROUNDING
from tilemodel.config.cell import Sky130NfetAccess
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, conductances_from_weights, random_ticks, random_weights
from tilemodel.model import TileModel, ideal_charge
from tilemodel.parameters import GatedParameters

ENDS = ("south", "north", "alternating")


def programmed(tile, rng):
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    return TileModel(tile, conductances), conductances


@pytest.mark.parametrize("end", ENDS)
def test_pair_tile_against_nodal_analysis(end, rng):
    """Every cell's charge by a dense solution: read-out end, sign, clamp offset."""
    tile = pair_tile(array={"read_out_end": end}, wires={"r_bit_line_ohm": 100.0})
    model, c = programmed(tile, rng)
    ticks = random_ticks(tile, rng, 1)
    expected = []
    for column in range(3):
        north = end == "north" or (end == "alternating" and column % 2 == 1)
        order = slice(None, None, -1) if north else slice(None)
        g = (c.g_plus + c.g_minus)[order, column]
        drive = 0.2 * ((c.g_plus - c.g_minus)[order, column] / g) * ticks[0, order] * 1e-9
        charge = clamp_current(g, drive, 100.0)
        charge += clamp_current(g, np.full(8, 0.4 - 0.4005), 100.0) * tile.t_window_second(127)
        expected.append(charge)
    np.testing.assert_allclose(model.charges(ticks)[0], expected, rtol=1e-10)


@pytest.mark.parametrize("make", [pair_tile, switch_tile])
@pytest.mark.parametrize("end", ENDS)
def test_without_wires_clamp_offset_and_access_it_is_the_ideal_product(make, end, rng):
    tile = make(array={"read_out_end": end}, wires={"r_bit_line_ohm": 0.0})
    if make is pair_tile:
        tile = pair_tile(array={"read_out_end": end}, wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.4})
        parameters = None
    else:
        parameters = GatedParameters.of_switch(r_bit_line_ohm=0.0, r_access_ohm=0.0)
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 20)
    ideal = ideal_charge(tile, c, ticks)
    output = TileModel(tile, c, parameters).mvm(ticks)
    np.testing.assert_allclose(output.charge_coulomb, ideal, atol=ROUNDING * np.abs(ideal).max(), rtol=0)


def test_pair_tile_is_linear_in_its_inputs(rng):
    model, _ = programmed(pair_tile(), rng)
    offset = model.charges(np.zeros((1, 8), dtype=np.int64))
    a, b = random_ticks(pair_tile(), rng, 2) // 2
    together = model.charges((a + b)[np.newaxis]) - offset
    apart = model.charges(a[np.newaxis]) + model.charges(b[np.newaxis]) - 2 * offset
    np.testing.assert_allclose(together, apart, rtol=1e-9)


def test_gated_tile_is_not_linear_in_its_inputs(rng):
    """State-dependent IR drop is what sets it apart."""
    tile = switch_tile(wires={"r_bit_line_ohm": 500.0})
    model, _ = programmed(tile, rng)
    rows = np.eye(8, dtype=np.int64) * 60
    apart, together = model.charges(rows).sum(axis=0), model.charges(rows.sum(axis=0)[np.newaxis])[0]
    assert np.all(together < apart)
    assert np.max(1 - together / apart) > 0.03


@pytest.mark.parametrize("make", [pair_tile, switch_tile])
def test_north_of_a_flipped_tile_is_south(make, rng):
    south, north = make(), make(array={"read_out_end": "north"})
    c = conductances_from_weights(south, random_weights(south, rng))
    flipped = Conductances(g_plus=c.g_plus[::-1].copy(), g_minus=c.g_minus[::-1].copy())
    ticks = random_ticks(south, rng, 5)
    np.testing.assert_allclose(
        TileModel(north, flipped).charges(ticks[:, ::-1]), TileModel(south, c).charges(ticks), rtol=1e-12
    )


@pytest.mark.parametrize("make", [pair_tile, switch_tile])
def test_swapping_plus_and_minus_turns_the_sign(make, rng):
    tile = make(read_out={"v_clamp_volt": 0.4}) if make is pair_tile else make()
    c = conductances_from_weights(tile, random_weights(tile, rng))
    swapped = Conductances(g_plus=c.g_minus, g_minus=c.g_plus)
    ticks = random_ticks(tile, rng, 5)
    charge = TileModel(tile, c).mvm(ticks).charge_coulomb
    opposite = TileModel(tile, swapped).mvm(ticks).charge_coulomb
    np.testing.assert_allclose(opposite, -charge, rtol=1e-9, atol=ROUNDING * np.abs(charge).max())


def test_transistors_need_a_calibration():
    access = {"kind": "sky130_nfet", "corner": "tt", "width_metre": 1e-6, "length_metre": 1.5e-7, "v_gate_volt": 1.8}
    tile = switch_tile(cell={"access": access})
    assert isinstance(tile.cell.access, Sky130NfetAccess)
    with pytest.raises(InputError, match="run `tilemodel calibrate"):
        TileModel(tile, conductances_from_weights(tile, np.zeros((8, 3))))


def test_a_window_that_cuts_the_tail_is_refused():
    tile = pair_tile(wires={"c_bit_line_farad": 1e-11})
    with pytest.raises(InputError, match="t_tail_second = 2e-09 may cut the tail; the model needs at least"):
        TileModel(tile, conductances_from_weights(tile, np.zeros((8, 3))))


def test_a_tick_too_short_to_settle_is_refused():
    tile = switch_tile(wires={"c_bit_line_farad": 1e-11}, read_out={"t_tail_second": 1.0})
    with pytest.raises(InputError, match="t_lsb_second = 1e-09 is too short"):
        TileModel(tile, conductances_from_weights(tile, np.zeros((8, 3))))


def test_wrong_shapes_and_parameters_are_refused(rng):
    tile = pair_tile()
    c = conductances_from_weights(tile, np.zeros((8, 3)))
    with pytest.raises(InputError, match=r"expected \[n_vec, n_row\] = \[2, 8\]"):
        TileModel(tile, c).charges(np.zeros((2, 7), dtype=np.int64))
    with pytest.raises(InputError, match="parameters of a gated_1t1r tile"):
        TileModel(tile, c, GatedParameters.of_switch(r_bit_line_ohm=1.0, r_access_ohm=1.0))
    with pytest.raises(InputError, match=r"expected \[n_row, n_col\] = \[8, 3\]"):
        TileModel(tile, Conductances(g_plus=np.zeros((3, 8)), g_minus=np.zeros((3, 8))))


def test_codes_of_a_gated_column_are_the_difference_of_its_lines(rng):
    adc = {"kind": "cco", "f_hertz_per_ampere": 1e15, "phase_cycle": 0.0, "count_max": 10**6}
    tile = switch_tile(adc=adc)
    output = programmed(tile, rng)[0].mvm(random_ticks(tile, rng, 4))
    counted = np.trunc(output.charge_line_coulomb * 1e15).astype(int)
    np.testing.assert_array_equal(output.code, counted[:, 0::2] - counted[:, 1::2])
    assert output.n_saturated == 0
