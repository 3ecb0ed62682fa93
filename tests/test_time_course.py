"""Currents and charges of a pass in time: they end at the pass's charge, and follow SPICE where wires are quick."""

import numpy as np
import pytest

from spice_netlists.batch import batch_decks
from spice_netlists.engines import run_deck
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import ROUNDING, SPICE_LINEAR
from tilemodel.config.errors import InputError
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.config.passes import tile_passes
from tilemodel.model import TileModel
from tilemodel.time_course import time_course

BIT_WISE = {"coding": "bit_wise"}
SINH = {"device": {"kind": "sinh", "v_sinh_volt": 0.5, "polarity_asymmetry": 0.0}}
TILES = {
    "linear": pair_tile(),
    "rows that resist": pair_tile(wires={"r_row_ohm": 5.0, "r_driver_ohm": 20.0}),
    "edge as long as a tick": pair_tile(drive={"t_edge_second": 1e-9}),
    "passes": pair_tile(drive=BIT_WISE),
    "resistive clamp": pair_tile(read_out={"circuit": {"kind": "resistive", "r_clamp_ohm": 200.0}}),
    "curved": pair_tile(cell=SINH),
    "gated": switch_tile(wires={"r_bit_line_ohm": 100.0, "c_bit_line_farad": 1e-15}),
}


def operands(tile, rng, n_vec=2):
    return conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, n_vec)


@pytest.mark.parametrize("name", TILES)
def test_the_course_ends_at_the_charge_of_the_pass(name, rng):
    tile = TILES[name]
    conductances, ticks = operands(tile, rng)
    model = TileModel(tile, conductances)
    outputs = model.passes(ticks)
    for drive, output in zip(tile_passes(tile, ticks), outputs, strict=True):
        window = tile.t_window_second(drive.n_tick_max)
        largest = np.abs(output.charge_line_coulomb).max()
        for vector in range(len(ticks)):
            end = time_course(tile.drive, model.currents(drive), vector, np.array([0.0, window]))
            error = np.abs(end.charge_coulomb[1] - output.charge_line_coulomb[vector])
            assert np.all(error <= 2 * output.error_bound_coulomb[vector] + ROUNDING * largest)
            np.testing.assert_array_equal(end.charge_coulomb[0], 0.0)
            np.testing.assert_array_equal(end.current_ampere[0], model.currents(drive).current_ampere[vector, 0])


def test_charge_is_the_integral_of_the_current(rng):
    tile = TILES["gated"]
    conductances, ticks = operands(tile, rng, 1)
    (drive,) = tile_passes(tile, ticks)
    currents = TileModel(tile, conductances).currents(drive)
    start, edge = tile.drive.t_start_second, tile.drive.t_edge_second
    # within flat parts and within edges the current is a polynomial of first order
    time = start + np.concatenate([edge * np.array([0.2, 0.8]), tile.drive.t_lsb_second * np.array([0.3, 0.6])])
    course = time_course(tile.drive, currents, 0, time)
    steps = np.diff(course.charge_coulomb, axis=0)[[0, 2]]
    means = (course.current_ampere[[0, 2]] + course.current_ampere[[1, 3]]) / 2
    expected = means * np.diff(time)[[0, 2], np.newaxis]
    np.testing.assert_allclose(steps, expected, rtol=1e-7)


@pytest.mark.spice
@pytest.mark.parametrize("name", ["pair", "curved", "switch"])
def test_charge_follows_spice_at_every_moment(name, rng):
    """Without capacitors nothing is delayed; switches act within an edge, of a femtosecond's scale here."""
    quick = {"c_bit_line_farad": 0.0, "r_bit_line_ohm": 100.0}
    cell = {"curved": SINH}.get(name, {})
    tile = switch_tile(wires=quick) if name == "switch" else pair_tile(wires=quick, cell=cell)
    conductances, ticks = operands(tile, rng, 1)
    (deck,) = batch_decks(tile, conductances, ticks)
    run = run_deck(deck, timeout_second=60.0)
    (drive,) = tile_passes(tile, ticks)
    course = time_course(tile.drive, TileModel(tile, conductances).currents(drive), 0, run.time_second)
    current = deck.charge_sign * run.sensed.T
    steps = np.diff(run.time_second)[:, np.newaxis] * (current[1:] + current[:-1]) / 2
    charge = np.concatenate([np.zeros((1, len(deck.lines))), np.cumsum(steps, axis=0)])
    assert np.abs(charge - course.charge_coulomb).max() < SPICE_LINEAR * np.abs(charge).max()
    begin = tile.drive.t_start_second + tile.drive.t_lsb_second * np.arange(drive.n_tick_max + 1)
    # away from edges, where one of SPICE's steps may span a corner
    distance = (run.time_second[:, np.newaxis] - begin)[:, :, np.newaxis]
    flat = np.all((distance < 0) | (distance > 2 * tile.drive.t_edge_second), axis=(1, 2))
    assert flat.sum() > drive.n_tick_max
    error = np.abs(current - course.current_ampere)[flat]
    assert error.max() < 10 * SPICE_LINEAR * np.abs(current).max()


def test_times_must_rise(rng):
    tile = TILES["linear"]
    conductances, ticks = operands(tile, rng, 1)
    currents = TileModel(tile, conductances).currents(tile_passes(tile, ticks)[0])
    for times in ([1e-9, 0.0], [-1e-9, 0.0], [[0.0]]):
        with pytest.raises(InputError, match="that rise from 0"):
            time_course(tile.drive, currents, 0, np.array(times))
