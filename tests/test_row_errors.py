"""Errors by row: shares that were put in are found, with errors that cover them; too little data gives none."""

import numpy as np
import pytest

from reports.row_errors import row_errors
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.model import TileModel, ideal_charge, ideal_coulomb_per_tick

TILES = [pair_tile(array={"n_row": 20, "n_col": 6}), switch_tile(array={"n_row": 20, "n_col": 6})]
SHARE = np.repeat([0.01, -0.02, 0.0, 0.03, 0.005, 0.0, 0.01, -0.01], [3, 3, 3, 3, 2, 2, 2, 2])


def batch(tile, rng, n_vec=8):
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, n_vec)
    wrong = ticks @ (SHARE[:, np.newaxis] * ideal_coulomb_per_tick(tile, conductances))
    return conductances, ticks, wrong


@pytest.mark.parametrize("tile", TILES, ids=["pair", "switch"])
def test_shares_are_found(tile, rng):
    conductances, ticks, wrong = batch(tile, rng)
    found = row_errors(tile, conductances, ticks, wrong)
    assert found.first_row == (0, 3, 6, 9, 12, 14, 16, 18)
    assert found.last_row == (2, 5, 8, 11, 13, 15, 17, 19)
    np.testing.assert_allclose(found.percent, 100 * SHARE[list(found.first_row)], atol=1e4 * ROUNDING)
    np.testing.assert_allclose(
        row_errors(tile, conductances, ticks, wrong + wrong.max() * np.arange(6)).percent,
        found.percent,
        atol=1e4 * ROUNDING,
    )  # offsets of columns have no part in it
    noise = 0.01 * np.abs(wrong).max() * rng.standard_normal(wrong.shape)
    noisy = row_errors(tile, conductances, ticks, wrong + noise)
    off = np.abs(np.subtract(noisy.percent, found.percent))
    assert np.all(off < 5 * np.array(noisy.standard_error_percent))
    assert off.max() > 0.2 * min(noisy.standard_error_percent)


def test_ir_drop_grows_with_the_distance_from_the_read_out(rng):
    tile = pair_tile(array={"n_row": 32, "n_col": 8}, wires={"r_bit_line_ohm": 20.0})
    conductances, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 8)
    lost = ideal_charge(tile, conductances, ticks) - TileModel(tile, conductances).mvm(ticks).charge_coulomb
    percent = row_errors(tile, conductances, ticks, lost).percent
    assert percent[0] > 2 * percent[-1] > 0  # read at the south end: row 0 is farthest


def test_too_few_outputs_or_rows_that_add_nothing_give_none(rng):
    tile = TILES[0]
    conductances, ticks, wrong = batch(tile, rng, 1)
    assert row_errors(tile, conductances, ticks, wrong) is None
    conductances, ticks, wrong = batch(tile, rng)
    ticks[:, :3] = 0
    assert row_errors(tile, conductances, ticks, wrong) is None
