"""The quick way to codes: the same codes as with everything else, for every circuit; and layers of tiles."""

import numpy as np
import pytest

from tests.test_circuits_against_spice import UNCALIBRATED, operands
from tilemodel import InputError, TileLayer, TileModel, load_tile
from tilemodel.code_product import is_code_product
from tilemodel.config.operands import random_ticks, random_weights
from tilemodel.conversion import converter_bank

QUICK = {name for name, tile in UNCALIBRATED.items() if is_code_product(tile, converter_bank(tile))}


def test_circuits_of_both_ways_are_compared():
    assert {"input_split", "clamp_resistive", "wires_mesh_pair"} <= QUICK
    assert {"adc_sar", "clamp_mirror", "window_cut", "adc_cco_compressing"} <= set(UNCALIBRATED) - QUICK


@pytest.mark.parametrize("name", UNCALIBRATED)
def test_codes_are_those_of_the_whole_output(name, rng):
    tile = UNCALIBRATED[name]
    c, ticks = operands(tile, rng, n_vec=40)
    model = TileModel(tile, c)
    np.testing.assert_array_equal(model.codes(ticks), model.mvm(ticks).code)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_single_precision_moves_few_codes_by_one_step(name, rng):
    tile = UNCALIBRATED[name]
    c, ticks = operands(tile, rng, n_vec=40)
    model = TileModel(tile, c)
    step = np.abs(model.codes(ticks, np.float32) - model.codes(ticks))
    n_pass = {"bit_wise": 7, "split": 2}.get(tile.drive.coding, 1)
    assert step.max() <= 2 ** (tile.drive.input_bits - 2) * n_pass if n_pass > 1 else step.max() <= 1
    assert np.mean(step > 0) < 0.01 * n_pass


def test_codes_of_an_ideal_converter_are_refused(rng):
    tile = load_tile("examples/ibm_pair_64x16.toml").with_ideal_read_out()
    c, ticks = operands(tile, rng)
    with pytest.raises(InputError, match="an ideal converter has no codes"):
        TileModel(tile, c).codes(ticks)


def test_a_layer_adds_up_the_codes_of_its_tiles(rng):
    tile = load_tile("examples/ibm_pair_64x16.toml")
    weights = rng.uniform(-1, 1, (150, 40))
    layer = TileLayer(tile, weights)
    assert (len(layer.tiles), len(layer.tiles[0])) == (3, 3)
    ticks = rng.integers(-127, 128, (5, 150))
    expected = np.zeros((5, 48), dtype=np.int64)
    for k, row in enumerate(layer.tiles):
        part = np.zeros((5, 64), dtype=np.int64)
        some = ticks[:, 64 * k : 64 * (k + 1)]
        part[:, : some.shape[1]] = some
        expected += np.hstack([model.mvm(part).code for model in row])
    codes = layer.codes(ticks)
    np.testing.assert_array_equal(codes, expected[:, :40])
    ideal = ticks @ weights
    assert np.corrcoef(codes.ravel(), ideal.ravel())[0, 1] > 0.99


def test_a_layer_of_one_tile_is_that_tile(rng):
    tile = load_tile("examples/switch_32x8.toml")
    weights, ticks = random_weights(tile, rng), random_ticks(tile, rng, 3)
    layer = TileLayer(tile, weights)
    np.testing.assert_array_equal(layer.codes(ticks), layer.tiles[0][0].mvm(ticks).code)


@pytest.mark.parametrize("weights", [np.zeros(5), np.zeros((0, 5)), np.full((3, 3), 2.0)])
def test_a_layer_of_something_else_is_refused(weights):
    with pytest.raises(InputError, match="weights"):
        TileLayer(load_tile("examples/ibm_pair_64x16.toml"), weights)


def test_a_layer_refuses_inputs_of_another_width(rng):
    layer = TileLayer(load_tile("examples/ibm_pair_64x16.toml"), rng.uniform(-1, 1, (70, 4)))
    with pytest.raises(InputError, match=r"expected \[n_vec, n_in\] = \[n_vec, 70\], got \[2, 64\]"):
        layer.codes(np.zeros((2, 64), dtype=np.int64))
