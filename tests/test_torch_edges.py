"""Layers on tiles at the edges: no vectors, no numbers, copies, what was calibrated before (make check-torch)."""

import copy
import gc
import pickle
from importlib.util import find_spec

import pytest

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch

from tests.test_torch import driven_tile, gated_tile, linear
from tests.test_torch_gated_noise import noisy_tile as noisy_gated_tile
from tilemodel.torch import TileLinear, calibrate_columns
from tilemodel.torch.gated import solver_of

pytestmark = pytest.mark.torch

TILES = {"linear": driven_tile(adc="cco"), "rows": driven_tile(wires={"r_row_ohm": 5.0}), "gated": gated_tile()}


@pytest.mark.parametrize("accuracy", ["exact", 1e-2])
@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_no_vectors_give_no_outputs(tile, accuracy):
    layer = TileLinear(linear(), tile, accuracy=accuracy)
    for largest in (0.0, 2.0):
        layer.set_input_range(largest)
        found = layer(torch.empty(0, 30, dtype=torch.float64))
        assert found.shape == (0, 10)
        found.sum().backward()
        assert not layer.weight.grad.any()


def test_no_vectors_have_no_noise():
    layer = TileLinear(linear(32, 3), noisy_gated_tile())
    layer.set_read_noise(torch.Generator())
    assert layer(torch.empty(0, 32, dtype=torch.float64)).shape == (0, 3)


@pytest.mark.parametrize("accuracy", ["exact", 1e-2])
@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_what_is_no_number_stays_none(tile, accuracy):
    layer, x = TileLinear(linear(), tile, accuracy=accuracy), torch.randn(3, 30, dtype=torch.float64)
    layer.set_input_range(2.0)
    expected = layer(x)
    x[1, 4] = torch.nan
    found = layer(x)
    assert found[1].isnan().all()
    torch.testing.assert_close(found[0::2], expected[0::2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_of_gated_layers_outlive_them(copied):
    """And solve their own tiles, not those of a layer with the number that they had where they were saved."""
    layer, x = TileLinear(linear(), gated_tile(), accuracy=1e-2), torch.randn(3, 30, dtype=torch.float64)
    expected, other = layer(x).detach(), copied(layer)
    assert other._solver.handle != layer._solver.handle
    assert solver_of(other._solver.handle) is other._solver
    del layer
    gc.collect()
    torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
    assert other._solver.accuracy == 1e-2


def test_compensation_leaves_no_offsets_of_other_conductances():
    layers = [TileLinear(linear(), driven_tile()) for _ in range(2)]
    calibrate_columns(layers[1], [torch.randn(20, 30, dtype=torch.float64)])
    assert layers[1].column_offset.any()
    x = torch.randn(4, 30, dtype=torch.float64)
    for layer in layers:
        layer.compensate()
    assert torch.equal(layers[1](x), layers[0](x))


@pytest.mark.parametrize("tile", TILES.values(), ids=TILES)
def test_what_inference_keeps_meets_a_gradient_by_inputs_later(tile):
    layer, x = TileLinear(linear(), tile, accuracy=1e-2), torch.randn(3, 30, dtype=torch.float64)
    layer.requires_grad_(False).set_input_range(2.0)
    with torch.inference_mode():
        expected = layer(x)
    found = layer(x.requires_grad_())
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert x.grad.any()
