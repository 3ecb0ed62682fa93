"""Noise of layers on tiles in PyTorch: the numpy model's moments, pass by pass (make check-torch)."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_mapping
from tilemodel import TileModel
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.config.operands import conductances_from_weights
from tilemodel.config.passes import tile_passes

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tilemodel.noise.cells import cell_groups
from tilemodel.noise.noisy_tile import NoisyTile
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.statistics import pass_covariance, per_column
from tilemodel.noise.timing import ReadWindows
from tilemodel.torch import TileLinear, read_noise

pytestmark = pytest.mark.torch

N_ROW = 32
CODINGS = {
    "conventional": {"coding": "conventional"},
    "split": {"coding": "split", "split_low_bits": 3},
    "bit_wise": {"coding": "bit_wise"},
    "amplitude": {"coding": "amplitude"},
}
CELLS = {"rail_pair": {}, "passive": {"cell": {"kind": "passive", "v_common_volt": 0.4, "v_read_volt": 0.2}}}


def noisy_tile(cell="rail_pair", **drive):
    return tile_from_mapping(
        {
            **pair_mapping(array={"n_row": N_ROW, "n_col": 3}, drive=drive, **CELLS[cell]),
            "noise": {**load_noise_preset("pcm_ibm"), "t_since_programming_second": 86400.0},
        }
    )


def layer_on(tile):
    torch.manual_seed(5)
    return TileLinear(nn.Linear(N_ROW, 3, dtype=torch.float64), tile)


def numpy_model(layer):
    tile = layer.geometry.tile
    return TileModel(tile, conductances_from_weights(tile, layer.tile_weights()[0].numpy()))


def closed_form(model, ticks):
    """Variance of the columns' charges from read to read [coulomb^2], [n_vec, n_col], as the numpy model draws them."""
    tile, groups = model.tile, cell_groups(model)
    drives = tile_passes(tile, ticks)
    windows = ReadWindows.of_passes(tile, tile.noise, tile_process(tile.noise), drives)
    g = [group.g_siemens for group in groups]
    covariance = pass_covariance(groups, g, [values**2 for values in g], windows, drives)
    factor = np.array([drive.factor for drive in drives])
    return per_column(tile, np.einsum("vlpq,p,q->vl", covariance, factor, factor))


def variance_by_roots(monkeypatch, layer, ticks):
    """Of the layer's charges, [n_vec, n_col]: their responses to the deviate of each pass, of G+ and G- lines apart."""
    quiet = layer.codes(ticks)
    layer.set_read_noise(torch.Generator())
    n_line_a_column = layer.geometry.tile.lines_per_column
    total, n_pass = torch.zeros_like(quiet), len(tile_passes(layer.geometry.tile, np.zeros((1, N_ROW), dtype=np.int64)))
    for number in range(n_pass):
        for line in range(n_line_a_column):
            asked = []

            def only_one(like, _generator, asked=asked, number=number, line=line):
                normal = torch.zeros_like(like)
                normal[..., line::n_line_a_column] = float(len(asked) == number)
                asked.append(normal)
                return normal

            monkeypatch.setattr(read_noise, "_normal", only_one)
            total += (layer.codes(ticks) - quiet) ** 2
            assert len(asked) == n_pass
    return total.numpy()


@pytest.mark.parametrize("sign", ["polarity", "two_phase"])
@pytest.mark.parametrize("coding", list(CODINGS))
@pytest.mark.parametrize("cell", list(CELLS))
def test_variance_of_all_passes_together_is_the_closed_form(monkeypatch, cell, coding, sign):
    tile = noisy_tile(cell, sign=sign, **CODINGS[coding])
    layer = layer_on(tile)
    ticks = torch.randint(-127, 128, (5, N_ROW))
    ticks[0, :10], ticks[1] = 0, 0
    expected = closed_form(numpy_model(layer), ticks.numpy())
    with torch.no_grad():
        got = variance_by_roots(monkeypatch, layer, ticks)
    # the law's terms come within 1e-3; where there is no pulse the rounding of charges is left
    np.testing.assert_allclose(got, expected, rtol=1.1e-3, atol=1e-10 * expected.max())


@pytest.mark.parametrize("coding", ["conventional", "bit_wise"])
def test_read_noise_has_the_spread_of_the_numpy_models_reads(coding):
    tile = noisy_tile(**CODINGS[coding])
    layer, ticks = layer_on(tile), torch.randint(-127, 128, (1, N_ROW))
    chip = NoisyTile(numpy_model(layer), np.random.default_rng(1))
    many = ticks.expand(4000, -1)
    layer.set_read_noise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        got = layer.codes(many).numpy()
        again = layer.codes(many).numpy()
    expected = chip.mvm(many.numpy(), np.random.default_rng(2)).charge_coulomb
    np.testing.assert_allclose(got.std(axis=0), expected.std(axis=0), rtol=0.06)  # 5 sigma of two such estimates
    assert not np.array_equal(got, again)
    layer.set_read_noise(torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.testing.assert_array_equal(layer.codes(many).numpy(), got)


def test_read_noise_moves_no_gradient_by_inputs_and_is_not_in_the_state():
    layer, x = layer_on(noisy_tile(**CODINGS["split"])), torch.randn(4, N_ROW, dtype=torch.float64, requires_grad=True)
    layer.set_input_range(2.0)
    (quiet,), names = torch.autograd.grad(layer(x).sum(), x), set(layer.state_dict())
    layer.set_read_noise(torch.Generator().manual_seed(3))
    (noisy,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(noisy, quiet)
    assert set(layer.state_dict()) == names


def test_programming_noise_is_drawn_once_and_again_from_the_same_seed():
    layer, x = layer_on(noisy_tile()), torch.randn(5, N_ROW, dtype=torch.float64)
    quiet = layer(x)
    layer.program(torch.Generator().manual_seed(7))
    noisy = layer(x)
    assert (noisy - quiet).abs().max() > 1e-3
    torch.testing.assert_close(layer(x), noisy, rtol=0, atol=0)
    layer.program_exactly()
    layer.program(torch.Generator().manual_seed(7))
    torch.testing.assert_close(layer(x), noisy, rtol=0, atol=0)


def test_what_is_no_number_stays_none():
    layer, x = layer_on(noisy_tile()), torch.randn(3, N_ROW, dtype=torch.float64)
    x[1, 2] = torch.nan
    layer.set_input_range(2.0)
    layer.set_read_noise(torch.Generator().manual_seed(1))
    assert layer(x).isnan().all(dim=1).tolist() == [False, True, False]
