"""Layers on tiles whose rows resist: the numpy model's answers, gradients, what is refused (make check-torch)."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_mapping, pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel import InputError, TileLayer, TileModel
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.config.operands import Conductances
from tilemodel.parameters import parameters_from_tile
from tilemodel.solvers import mesh

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tilemodel.torch import Task, TileLinear, convert, evaluate
from tilemodel.torch.mesh import mesh_transfer
from tilemodel.variants import with_tables

pytestmark = pytest.mark.torch

# float32, of the largest charge: a few hundred rounded operations a row of products
FLOAT32 = 1e-5

VOLTS = {"v_common_volt": 0.4, "v_read_volt": 0.2, "device": {"kind": "linear", "polarity_asymmetry": 0.0}}
CELLS = {"rail_pair": {}, "rail_quad": {"significance": 3.0}, "passive": {}}
WIRES = {"r_bit_line_ohm": 20.0, "r_row_ohm": 30.0, "r_driver_ohm": 200.0, "r_terminal_ohm": 50.0}
ADC = {"kind": "linear", "adc_bits": 9, "charge_full_scale_coulomb": 3e-12, "gain": 1.1, "offset_lsb": 0.3}
MISMATCH = {
    "seed": 3,
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 2e-3,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.0,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}
NOISE = {**load_noise_preset("pcm_ibm"), "t_since_programming_second": 86400.0}


def tables(cell="passive", read_out_end="alternating", wires=(), size=(12, 4), **others):
    """Rails, clamps that are off the common voltage; rows and columns of `size`."""
    array = {"n_row": size[0], "n_col": size[1], "read_out_end": read_out_end}
    cells = {"cell": {"kind": cell, **VOLTS, **CELLS[cell]}}
    return pair_mapping(array=array, wires={**WIRES, **dict(wires)}, **{**cells, **others})


def tile_of(*arguments, **others):
    """Of `tables`, clamps that differ."""
    return tile_from_mapping({**tables(*arguments, **others), "mismatch": MISMATCH})


def linear(n_in=30, n_out=10, dtype=torch.float64):
    torch.manual_seed(5)
    return nn.Linear(n_in, n_out, dtype=dtype)


def ticks_of(rng, n_vec=12, n_in=30):
    return rng.integers(-127, 127, (n_vec, n_in), endpoint=True)


def numpy_layer(layer, tile):
    weights = layer.tile_weights().double().numpy()
    return TileLayer(tile, weights.reshape(-1, weights.shape[-1])[: layer.in_features])


def numpy_charges(tiles, ticks):
    """Sum over rows of numpy `tiles` of their charges, [n_vec, columns of all tiles]."""
    n_row = tiles[0][0].tile.array.n_row
    padded = np.pad(ticks, ((0, 0), (0, len(tiles) * n_row - ticks.shape[1])))
    parts = np.split(padded, len(tiles), axis=1)
    return sum(
        np.concatenate([model.mvm(part).charge_coulomb for model in row], axis=1)
        for part, row in zip(parts, tiles, strict=True)
    )


def charges(layer, ticks):
    with torch.no_grad():
        return layer.codes(torch.from_numpy(ticks)).numpy()


@pytest.mark.parametrize("driven_end", ["west", "east", "both"])
@pytest.mark.parametrize("read_out_end", ["south", "north", "alternating"])
@pytest.mark.parametrize("cell", list(CELLS))
def test_charges_are_the_numpy_models(cell, read_out_end, driven_end, rng):
    """10 columns on tiles of 4, 30 rows on tiles of 12: what is unused holds cells that pull at the others."""
    tile = tile_of(cell, read_out_end, {"row_driven_end": driven_end})
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    expected = numpy_charges(numpy_layer(layer, tile).tiles, ticks)[:, :10]
    np.testing.assert_allclose(charges(layer, ticks), expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
    apart = np.abs(expected - numpy_charges(numpy_layer(layer, _ideal(tile)).tiles, ticks)[:, :10]).max()
    assert apart > 0.005 * np.abs(expected).max()


def _ideal(tile):
    rows = tile.wires.model_copy(update={"r_row_ohm": 0.0, "r_driver_ohm": 0.0})
    return with_tables(tile, wires=rows)


@pytest.mark.parametrize("wires", [{"r_row_ohm": 0.0}, {"r_driver_ohm": 0.0}, {"r_bit_line_ohm": 0.0}])
@pytest.mark.parametrize("coding", [{"coding": "split", "split_low_bits": 3}, {"sign": "two_phase"}])
def test_codes_are_the_numpy_models(coding, wires, rng):
    tile = tile_of(wires=wires, drive=coding, adc={**ADC, "inl_lsb": []})
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    np.testing.assert_array_equal(charges(layer, ticks), numpy_layer(layer, tile).codes(ticks))


def test_calibrated_parameters_are_used(rng):
    tile = tile_of("rail_pair")
    own = parameters_from_tile(tile).model_copy(update={"r_row_ohm": 77.0, "g_factor": 0.9, "v_read_volt": 0.18})
    layer, ticks = TileLinear(linear(), tile, parameters=own), ticks_of(rng)
    weights = layer.tile_weights().reshape(-1, 10)[:30]
    tiles = TileLayer(tile, weights, program=lambda tile, cells: TileModel(tile, cells, own)).tiles
    expected = numpy_charges(tiles, ticks)[:, :10]
    np.testing.assert_allclose(charges(layer, ticks), expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def test_float32_is_the_numpy_models_to_its_precision(rng):
    tile = tile_of()
    layer, ticks = TileLinear(linear(dtype=torch.float32), tile), ticks_of(rng)
    expected = numpy_charges(numpy_layer(layer, tile).tiles, ticks)[:, :10]
    np.testing.assert_allclose(charges(layer, ticks), expected, rtol=0, atol=FLOAT32 * np.abs(expected).max())


@pytest.mark.parametrize("cell", list(CELLS))
def test_gradients_by_weights(cell):
    """Of several tiles, some partly used, with a chip's deviation and its offsets at rest."""
    tile = tile_of(cell, size=(4, 2))
    torch.manual_seed(0)
    layer = TileLinear(linear(6, 3), tile)
    layer.deviation = torch.rand(layer.geometry.conductances(layer.tile_weights()).shape).double() * 1e-7
    area = torch.randint(-127, 128, (2, 6)).double()

    def by_charge(weight):
        # a scale that makes the charges of order 1
        return 1e12 * torch.func.functional_call(_Codes(layer), {"layer.weight": weight}, (area,))

    assert torch.autograd.gradcheck(by_charge, (layer.weight.detach().clone().requires_grad_(),))


class _Codes(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, ticks):
        return self.layer.codes(ticks)


def test_operator_keeps_to_torchs_rules():
    g = (torch.rand(2, 1, 4, 3, dtype=torch.float64) * 1e-5).requires_grad_()
    north = torch.tensor([False, True, False])
    torch.library.opcheck(mesh_transfer, (g, north, [2.0, 1.0, 3.0, 0.0], "west"))


def test_compiles_as_one_graph_and_trains_alike():
    torch._dynamo.reset()
    layer, x = TileLinear(linear(), tile_of(adc={**ADC, "inl_lsb": []})), torch.randn(4, 30, dtype=torch.float64)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), layer(x))
    compiled(x).sum().backward()
    gradient, layer.weight.grad = layer.weight.grad.clone(), None
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, gradient)
    assert gradient.abs().max() > 0


def test_effective_matrix_is_kept_until_weights_change(monkeypatch):
    solved = []
    whole = mesh.mesh_transfer
    monkeypatch.setattr(mesh, "mesh_transfer", lambda g, **wires: solved.append(1) or whole(g, **wires))
    layer, x = TileLinear(linear(), tile_of()).eval(), torch.randn(4, 30, dtype=torch.float64)
    with torch.no_grad():
        before = layer(x)
        assert len(solved) == 9
        torch.testing.assert_close(layer(x), before, rtol=0, atol=0)
        assert len(solved) == 9
        layer.weight[0, 0] += 1.0
        assert not torch.equal(layer(x), before)


def test_a_chip_is_the_numpy_model_of_what_was_programmed(rng):
    """Cells that no output uses are written too, with errors of their own."""
    tile = tile_from_mapping({**tables(), "mismatch": MISMATCH, "noise": NOISE})
    layer, ticks = TileLinear(linear(12, 3), tile), ticks_of(rng, n_in=12)
    layer.program(torch.Generator().manual_seed(4))
    g = (layer.geometry.conductances(layer.tile_weights()) + layer.deviation).clamp(min=0.0)[0, 0].numpy()
    assert g.shape == (12, 8)
    assert np.ptp(g[:, 6:]) > 0
    chip = TileModel(tile, Conductances(g_plus=g[:, 0::2], g_minus=g[:, 1::2]))
    expected = chip.mvm(ticks).charge_coulomb[:, :3]
    np.testing.assert_allclose(charges(layer, ticks), expected, rtol=0, atol=ROUNDING * np.abs(expected).max())
    other = TileLinear(linear(12, 3), tile)
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(charges(other, ticks), charges(layer, ticks))


@pytest.mark.parametrize("cell", ["passive", "rail_pair"])
def test_compensated_layer_is_the_plain_one_with_rounded_inputs(cell):
    tile = tile_of(cell)
    layer, x = TileLinear(linear(), tile), torch.randint(-127, 128, (9, 30)).double() / 127
    layer.set_input_range(1.0)
    expected = linear()(x)
    assert (layer(x) - expected).abs().max() > 1e-2
    layer.compensate()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-10)


def test_training_recovers_what_the_wires_take():
    tile, x = tile_of(), torch.randint(-127, 128, (64, 12)).double() / 127
    target, layer = linear(12, 3)(x).detach(), TileLinear(linear(12, 3), tile)
    layer.set_input_range(1.0)
    optimizer, losses = torch.optim.Adam(layer.parameters(), lr=1e-2), []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def near(outputs, target):
    return -(outputs - target).abs().sum(dim=-1)


def network_task():
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(20, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    inputs = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, (30, 20)))
    batches = [(inputs, network(inputs).detach())]
    given = {"name": "test", "network": network, "batches": batches, "calibration": [inputs], "score": near}
    return Task(**given, metric="closeness", clipped_fraction=0.0)


def test_a_network_is_evaluated_with_what_rows_do_and_what_takes_it_back():
    found = evaluate(network_task(), tile_from_mapping(tables(adc={**ADC, "adc_bits": 12, "inl_lsb": []})))
    assert {"wires", "driver", "adc", "together_compensated"} <= set(found.scores)
    assert found.score("together") < found.score("wires") < found.score("quantization")
    assert found.score("driver") < found.score("quantization")
    assert found.score("together") < found.score("together_corrected") < found.score("together_compensated")


def test_read_noise_is_refused_where_rows_resist_and_drawn_where_they_do_not():
    tile = tile_from_mapping({**tables(), "noise": NOISE})
    with pytest.raises(InputError, match="no read noise where rows resist"):
        TileLinear(linear(), tile).set_read_noise(torch.Generator())
    with pytest.raises(InputError, match=r"no read noise where rows resist.*--only quantization,wires") as refusal:
        evaluate(network_task(), tile, n_seed=2)
    only = str(refusal.value).split("--only ")[1].split(",")
    assert "read_noise" in only
    assert "together" not in only
    found = evaluate(network_task(), tile, n_seed=2, only=["chip", "read_noise"])
    assert not np.array_equal(found.scores["chip"][0], found.scores["chip"][1])


def test_gated_tiles_still_need_ideal_rows():
    tile = switch_tile(wires={"r_row_ohm": 1.0}, drive={"sign": "two_phase"})
    with pytest.raises(InputError, match="needs ideal rows where cells are gated"):
        TileLinear(linear(), tile)


def test_a_whole_network_trains():
    analog = convert(nn.Sequential(nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 2)).double(), pair_tile(wires=WIRES))
    analog(torch.randn(3, 9, dtype=torch.float64)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in analog.parameters())
