"""Layers on tiles in PyTorch: the numpy model's answers, gradients, what a layer owes to torch (make check-torch)."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_mapping, pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel import InputError, TileLayer
from tilemodel.config.adc import CcoAdc
from tilemodel.config.load import tile_from_mapping

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tilemodel.compact import save_model
from tilemodel.parameters import parameters_from_tile
from tilemodel.solvers import ladder
from tilemodel.torch import TileLinear, calibrate_ranges, convert, tile_layers
from tilemodel.torch.gated import gated_charges
from tilemodel.torch.ladder import adjoint_by_rows, transfer_adjoint, transfer_by_rows, transfer_to_clamp
from tilemodel.variants import with_tables

pytestmark = pytest.mark.torch

OHMIC = {"kind": "linear", "polarity_asymmetry": 0.0}
CELLS = {
    "rail_pair": {},
    "rail_quad": {"cell": {"kind": "rail_quad", "significance": 3.0}},
    "passive": {"cell": {"kind": "passive"}},
}
ADCS = {
    "ideal": {"kind": "ideal"},
    "linear": {
        "kind": "linear",
        "adc_bits": 9,
        "charge_full_scale_coulomb": 3e-12,
        "gain": 1.1,
        "offset_lsb": 0.3,
        "inl_lsb": [],
    },
    "linear_lines": {
        "kind": "linear",
        "adc_bits": 9,
        "charge_full_scale_coulomb": 3e-12,
        "gain": 1.1,
        "offset_lsb": 0.3,
        "inl_lsb": [],
        "gain_line": [0.9, 1.0, 1.05, 1.2],
        "offset_line_lsb": [3.0, -1.5, 0.0, 2.0],
    },
    "cco": {"kind": "cco", "f_hertz_per_ampere": 1e14, "phase_cycle": 0.0, "count_max": 150},
    "cco_phase": {"kind": "cco", "f_hertz_per_ampere": 1e14, "phase_cycle": 0.4, "count_max": 4095},
    "ramp": {
        "kind": "ramp",
        "adc_bits": 8,
        "charge_full_scale_coulomb": 3e-12,
        "gain": 1.0,
        "ramp_curvature": 0.0,
        "offset_lsb": 0.2,
    },
    "inl": {
        "kind": "linear",
        "adc_bits": 8,
        "charge_full_scale_coulomb": 2e-12,
        "gain": 1.1,
        "offset_lsb": 0.3,
        "inl_lsb": [1.5, -2.0, 0.5, 3.0],
    },
    "inl_lines": {
        "kind": "linear",
        "adc_bits": 8,
        "charge_full_scale_coulomb": 2e-12,
        "gain": 1.1,
        "offset_lsb": 0.3,
        "inl_lsb": [],
        "inl_line_lsb": [[1.5, -2.0, 0.5], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0], [-2.0, 1.0, 2.0]],
    },
    "curved_ramp": {
        "kind": "ramp",
        "adc_bits": 8,
        "charge_full_scale_coulomb": 3e-12,
        "gain": 1.0,
        "ramp_curvature": 0.1,
        "offset_lsb": 0.2,
    },
    "sar": {"kind": "sar", "adc_bits": 8, "charge_full_scale_coulomb": 3e-12, "offset_lsb": 0.1},
}
CODINGS = [{"coding": "conventional"}, {"coding": "split", "split_low_bits": 3}, {"coding": "bit_wise"}]
# float32: of the largest; a few hundred rounded operations a row of products
FLOAT32 = 1e-5


def driven_tile(cell="rail_pair", adc="ideal", **tables):
    cells = CELLS[cell]
    if cells:
        cells = {"cell": {"v_common_volt": 0.4, "v_read_volt": 0.2, "device": OHMIC, **cells["cell"]}}
    array = {"n_row": 16, "n_col": 4, "read_out_end": "alternating"}
    return pair_tile(**{"array": array, "wires": {"r_bit_line_ohm": 20.0}, "adc": ADCS[adc], **cells, **tables})


def gated_tile(adc="ideal", **tables):
    drive = {"sign": "two_phase", **tables.pop("drive", {})}
    array = {"n_row": 16, "n_col": 4, "read_out_end": "alternating"}
    return switch_tile(array=array, wires={"r_bit_line_ohm": 20.0}, drive=drive, adc=ADCS[adc], **tables)


def linear(n_in=30, n_out=10, dtype=torch.float64):
    torch.manual_seed(5)
    return nn.Linear(n_in, n_out, dtype=dtype)


def numpy_layer(layer, tile):
    weights = layer.tile_weights().double().numpy()
    return TileLayer(tile, weights.reshape(-1, weights.shape[-1])[: layer.in_features])


def numpy_charges(layer, tile, ticks):
    """Sum over the tiles of the numpy model's charges, [n_vec, n_out]."""
    n_row, total = tile.array.n_row, 0.0
    for k, row in enumerate(numpy_layer(layer, tile).tiles):
        part = ticks[:, k * n_row : (k + 1) * n_row]
        part = np.pad(part, ((0, 0), (0, n_row - part.shape[1])))
        total = total + np.concatenate([model.mvm(part).charge_coulomb for model in row], axis=1)
    return total[:, : layer.out_features]


def ticks_of(rng, n_vec=12, n_in=30):
    return rng.integers(-127, 127, (n_vec, n_in), endpoint=True)


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding["coding"])
@pytest.mark.parametrize("sign", ["polarity", "two_phase"])
@pytest.mark.parametrize("cell", list(CELLS))
def test_charges_are_the_numpy_models(cell, sign, coding, rng):
    tile = driven_tile(cell, drive={"sign": sign, **coding})
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    expected = numpy_charges(layer, tile, ticks)
    with torch.no_grad():
        got = layer.codes(torch.from_numpy(ticks)).numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding["coding"])
@pytest.mark.parametrize("adc", [name for name in ADCS if name != "ideal"])
def test_codes_are_the_numpy_models(adc, coding, rng):
    tile = driven_tile("rail_pair", adc, drive=coding)
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    expected = numpy_layer(layer, tile).codes(ticks)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            got = layer.codes(torch.from_numpy(ticks)).detach().numpy()
        np.testing.assert_array_equal(got, expected)
    assert len(np.unique(expected)) > 50


@pytest.mark.parametrize(("adc", "capacitor_sigma"), [("cco_phase", 0.0), ("sar", 0.05)])
def test_mismatch_of_the_chip_is_the_numpy_models(adc, capacitor_sigma, rng):
    mismatch = {
        "seed": 3,
        "clamp_offset_sigma_volt": 1e-3,
        "mirror_ratio_sigma": 0.0,
        "access_resistance_sigma": 0.0,
        "adc_gain_sigma": 0.05,
        "adc_offset_sigma_lsb": 2.0,
        "adc_unit_capacitor_sigma": capacitor_sigma,
    }
    tile = tile_from_mapping(
        {
            **pair_mapping(array={"n_row": 16, "n_col": 4}, adc=ADCS[adc]),
            "mismatch": mismatch,
        }
    )
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    np.testing.assert_array_equal(
        layer.codes(torch.from_numpy(ticks)).detach().numpy(), numpy_layer(layer, tile).codes(ticks)
    )


def test_float32_is_the_numpy_models_to_its_precision(rng):
    tile = driven_tile()
    layer, ticks = TileLinear(linear(dtype=torch.float32), tile), ticks_of(rng)
    expected = numpy_charges(layer, tile, ticks)
    with torch.no_grad():
        got = layer.codes(torch.from_numpy(ticks)).numpy()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=FLOAT32 * np.abs(expected).max())


@pytest.mark.parametrize("accuracy", ["exact", 1e-3])
@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding["coding"])
def test_gated_charges_are_the_numpy_models(coding, accuracy, rng):
    tile = gated_tile(drive=coding)
    layer, ticks = TileLinear(linear(), tile, accuracy=accuracy), ticks_of(rng)
    expected = numpy_charges(layer, tile, ticks)
    with torch.no_grad():
        got = layer.codes(torch.from_numpy(ticks)).numpy()
    tolerance = ROUNDING if accuracy == "exact" else 1e-2
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_gated_codes_are_the_numpy_models(rng):
    tile = gated_tile("ramp")
    layer, ticks = TileLinear(linear(), tile), ticks_of(rng)
    got = layer.codes(torch.from_numpy(ticks)).detach().numpy()
    np.testing.assert_array_equal(got, numpy_layer(layer, tile).codes(ticks))


@pytest.mark.parametrize(
    "tile", [driven_tile(wires={"r_bit_line_ohm": 0.0}), driven_tile("passive", wires={"r_bit_line_ohm": 0.0})]
)
def test_without_non_idealities_it_is_the_layer_with_rounded_inputs(tile):
    layer, plain = TileLinear(linear(), tile), linear()
    layer.set_input_range(1.0)
    x = torch.randint(-127, 128, (9, 30)).double() / 127
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("r_ohm", [0.0, 30.0])
def test_ladder_is_the_numpy_one_and_its_gradient_is_right(r_ohm):
    g = torch.rand(2, 7, 3, dtype=torch.float64) * 1e-3
    np.testing.assert_allclose(
        transfer_to_clamp(g, r_ohm, 11.0).numpy(), ladder.transfer_to_clamp(g.numpy(), r_ohm, 11.0)[0], rtol=ROUNDING
    )
    pull = torch.rand_like(g)
    g.requires_grad_()
    (transfer_to_clamp(g, r_ohm, 11.0) * pull).sum().backward()
    by_numpy = ladder.transfer_adjoint(
        g.detach().numpy(), ladder.transfer_to_clamp(g.detach().numpy(), r_ohm, 11.0)[0], pull.numpy(), r_ohm, 11.0
    )
    np.testing.assert_allclose(g.grad.numpy(), by_numpy, rtol=1e-10)
    unit = torch.rand(7, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: transfer_to_clamp(x, r_ohm / 30, 0.2), (unit,))


@pytest.mark.parametrize("r_ohm", [0.0, 40.0])
@pytest.mark.parametrize("shape", [(7, 3), (2, 5, 4)])
def test_ladder_of_other_devices_is_that_of_the_processor(shape, r_ohm):
    """Torch's own kernels, which devices without compiled loops take, run here on the processor."""
    g = torch.rand(shape, dtype=torch.float64) * 1e-3
    transfer = transfer_to_clamp(g, r_ohm, 11.0)
    np.testing.assert_allclose(transfer_by_rows(g, r_ohm, 11.0), transfer, rtol=ROUNDING)
    pull = torch.randn(shape, dtype=torch.float64)
    ours, theirs = adjoint_by_rows(transfer, pull, r_ohm, 11.0), transfer_adjoint(transfer, pull, r_ohm, 11.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * float(theirs.abs().max()))


@pytest.mark.parametrize("cell", list(CELLS))
def test_gradients_by_weights_inputs_and_bias(cell):
    """Of whole ticks' charges by finite differences, column scales included; inputs enter linearly."""
    layer = TileLinear(linear(7, 5), driven_tile(cell))
    ticks = torch.randint(-60, 60, (3, 7)).double()

    def charges(weight, x):
        return 1e12 * torch.func.functional_call(layer, {"weight": weight}, (x,))

    def by_charge(weight):
        return torch.func.functional_call(_Codes(layer), {"layer.weight": weight}, (ticks,)) * 1e12

    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(by_charge, (weight,))
    # straight through the rounding of the inputs: the layer is linear in its ticks
    layer.set_input_range(1.0)
    x = (ticks / 127).requires_grad_()
    y = layer(x)
    (slope,) = torch.autograd.grad(y[0, 2], x)
    step = torch.zeros_like(x)
    step[0, 4] = 1 / 127
    torch.testing.assert_close((layer(x + step) - y)[0, 2] * 127, slope[0, 4])


class _Codes(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, ticks):
        return self.layer.codes(ticks)


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding["coding"])
def test_gradients_go_straight_through_the_converter_and_stop_at_its_range(coding):
    tile = driven_tile("rail_pair", "cco_phase", drive=coding)
    ideal = TileLinear(linear(), driven_tile("rail_pair", "ideal", drive=coding))
    layer = TileLinear(linear(), tile)
    x = torch.randn(5, 30, dtype=torch.float64)
    for each in (layer, ideal):
        each.set_input_range(5.0)
        each(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, ideal.weight.grad)
    narrow = {**ADCS["cco"], "count_max": 20}
    tile = driven_tile(adc="cco", read_out={"v_clamp_volt": 0.4})
    saturated = TileLinear(linear(16, 4), with_tables(tile, adc=CcoAdc(**narrow)))
    with torch.no_grad():
        saturated.weight.abs_()
    y = saturated.codes(torch.full((1, 16), 127.0, dtype=torch.float64))
    assert (y == 20).all()
    (slope,) = torch.autograd.grad(y.sum(), saturated.weight)
    assert (slope == 0).all()


def test_gated_gradients_by_implicit_differentiation(rng):
    """Against finite differences of the numpy model, event by event."""
    layer = TileLinear(linear(20, 3), gated_tile())
    ticks = torch.from_numpy(ticks_of(rng, 4, 20))
    layer.codes(ticks).sum().backward()
    analytic, weight = layer.weight.grad, layer.weight.detach()
    for index in ((0, 3), (1, 17), (2, 8)):
        step = torch.zeros_like(weight)
        step[index] = 1e-5
        ends = []
        for sign in (1, -1):
            moved = nn.Linear(20, 3, dtype=torch.float64)
            moved.load_state_dict({"weight": weight + sign * step, "bias": torch.zeros(3)})
            with torch.no_grad():
                ends.append(TileLinear(moved, gated_tile()).codes(ticks).sum())
        numeric = (ends[0] - ends[1]) / 2e-5
        assert float(analytic[index]) == pytest.approx(float(numeric), rel=1e-4, abs=1e-6 * float(analytic.abs().max()))


def test_lumped_gated_gradients_are_near_the_exact_ones(rng):
    tile = switch_tile(
        array={"n_row": 64, "n_col": 4, "read_out_end": "alternating"},
        wires={"r_bit_line_ohm": 4.0},
        drive={"sign": "two_phase"},
    )
    ticks = torch.from_numpy(ticks_of(rng, 6, 64)).double()
    gradients = []
    for accuracy in ("exact", 1e-3):
        layer = TileLinear(linear(64, 4), tile, accuracy=accuracy)
        x = ticks.clone().requires_grad_()
        (layer.codes(x) ** 2).sum().backward()
        gradients.append((layer.weight.grad, x.grad))
    for exact, lumped in zip(*gradients, strict=True):
        assert float((exact - lumped).norm() / exact.norm()) < 0.02


def test_accuracy_is_kept_where_access_transistors_release_charge(rng):
    """Five times what SKY130 transistors release: a column's share of it exceeds the accuracy."""
    tile = gated_tile(drive={"t_lsb_second": 1e-9}, read_out={"t_tail_second": 2e-8})
    tile = with_tables(tile, wires=tile.wires.model_copy(update={"r_bit_line_ohm": 5.0}))
    released = {"q_pulse_coulomb": 1.2e-15, "q_pulse_coulomb_per_siemens": -2.7e-11, "c_pulse_farad": 2e-15}
    transistor = {**released, "r_access_slope_ohm_per_ampere": 7.9e5}
    plain = parameters_from_tile(tile)
    ticks = torch.from_numpy(ticks_of(rng, 40))
    codes = []
    for changed, accuracy in ((transistor, "exact"), (transistor, 1e-3), ({}, "exact")):
        parameters = plain.model_copy(update=changed)
        layer = TileLinear(linear(), tile, parameters=parameters, accuracy=accuracy)
        codes.append(layer.codes(ticks).detach().numpy())
    exact, fast, without = codes
    assert np.abs(without - exact).max() > 1e-3 * np.abs(exact).max()
    assert np.abs(fast - exact).max() < 5e-4 * np.abs(exact).max()


@pytest.mark.parametrize("read_out_end", ["south", "alternating"])
def test_mean_states_keep_to_the_accuracy_of_layers(read_out_end, rng):
    """In 512 rows at 0.33 Ohm, where 1e-3 is a fiftieth of the drop; and they are what computes it."""
    array = {"n_row": 512, "n_col": 6, "read_out_end": read_out_end}
    tile = switch_tile(array=array, wires={"r_bit_line_ohm": 0.33}, drive={"sign": "two_phase"})
    torch.manual_seed(1)
    plain = linear(512, 6, torch.float32)
    nn.init.normal_(plain.weight)
    ticks = torch.randn(24, 512)
    ticks = torch.round(ticks / ticks.abs().max() * 127)
    layer = TileLinear(plain, tile, accuracy=1e-3)
    with torch.no_grad():
        fast, exact = layer.codes(ticks).numpy(), TileLinear(plain, tile).codes(ticks).numpy()
    assert np.abs(fast - exact).max() < 1e-3 * np.abs(exact).max()
    assert layer._solver._programmed is None


def test_operators_keep_to_torchs_rules():
    g = torch.rand(1, 16, 8, dtype=torch.float64) * 1e-5
    torch.library.opcheck(transfer_to_clamp, (g.requires_grad_(), 2.0, 1.0))
    layer = TileLinear(linear(16, 4), gated_tile())
    area = torch.randint(0, 127, (3, 1, 16)).double().requires_grad_()
    torch.library.opcheck(gated_charges, (area, g, 127, layer._solver.handle))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("tile", [driven_tile(adc="inl"), gated_tile("curved_ramp")], ids=["linear", "gated"])
def test_compiles_as_one_graph(tile, backend):
    torch._dynamo.reset()
    layer = TileLinear(linear(), tile)
    compiled = torch.compile(layer, backend=backend, fullgraph=True)
    x = torch.randn(4, 30, dtype=torch.float64)
    expected = layer(x)
    torch.testing.assert_close(compiled(x), expected)
    compiled(x).sum().backward()
    gradient = layer.weight.grad.clone()
    layer.weight.grad = None
    layer(x).sum().backward()
    torch.testing.assert_close(layer.weight.grad, gradient)
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), expected)


def test_state_dict_round_trip():
    tile = driven_tile(adc="cco_phase")
    layer = TileLinear(linear(), tile).eval()
    layer.set_input_range(3.0)
    layer.compensate()
    other = TileLinear(linear(), tile).eval()
    other.load_state_dict(layer.state_dict())
    x = torch.randn(4, 30, dtype=torch.float64)
    torch.testing.assert_close(other(x), layer(x), rtol=0, atol=0)
    assert set(TileLinear(linear(), tile).state_dict()) == {"weight", "bias", "input_range"}


def test_effective_matrix_follows_the_weights():
    """What is kept between calls is dropped when anything changes."""
    layer, x = TileLinear(linear(), driven_tile()).eval(), torch.randn(4, 30, dtype=torch.float64)
    with torch.no_grad():
        before = layer(x)
        assert layer._cache is not None
        torch.testing.assert_close(layer(x), before, rtol=0, atol=0)
        layer.weight.mul_(2.0)
        torch.testing.assert_close(layer(x) - layer.bias, 2 * (before - layer.bias))
        narrow = layer.to(torch.float32)
        torch.testing.assert_close(
            narrow(x.float()).double() - layer.bias, 2 * (before - layer.bias), rtol=1e-4, atol=1e-5
        )


def test_compensated_layer_is_the_plain_one_with_rounded_inputs():
    tile = driven_tile()
    layer, x = TileLinear(linear(), tile), torch.randint(-127, 128, (9, 30)).double() / 127
    layer.set_input_range(1.0)
    expected = linear()(x)
    assert (layer(x) - expected).abs().max() > 1e-3
    layer.compensate()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-10)
    layer.program_exactly()
    assert (layer(x) - expected).abs().max() > 1e-3


def network():
    torch.manual_seed(3)
    shared = nn.Linear(12, 12)
    return nn.Sequential(nn.Linear(20, 12), nn.GELU(), shared, nn.GELU(), shared, nn.LayerNorm(12), nn.Linear(12, 2))


def test_a_network_is_converted_calibrated_and_trained():
    model, tile = network(), driven_tile(adc="cco_phase")
    analog = convert(model, tile, include=lambda name, _: name != "6")
    assert [name for name, _ in tile_layers(analog)] == ["0", "2"]
    assert analog[2] is analog[4]
    assert isinstance(model[0], nn.Linear)
    x = torch.randn(64, 20)
    ranges = calibrate_ranges(analog, [x[:32], (x[32:],)])
    assert ranges["0"] == pytest.approx(float(x.abs().max()))
    assert analog.training
    clipped = calibrate_ranges(analog, [x], clipped_fraction=0.01)
    assert 0 < clipped["0"] < ranges["0"]
    target = torch.randn(64, 2)
    optimizer = torch.optim.Adam(analog.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(analog(x), target)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_of_zeros_gives_the_bias_before_any_calibration(dtype):
    layer = TileLinear(linear(dtype=dtype), driven_tile())
    torch.testing.assert_close(layer(torch.zeros(2, 30, dtype=dtype)), layer.bias.expand(2, -1))


def test_a_single_layer_is_converted():
    assert isinstance(convert(linear(), driven_tile()), TileLinear)


def test_a_compact_model_makes_a_layer(tmp_path, rng):
    from tests.exported import as_model

    compact = as_model(gated_tile())
    save_model(compact, tmp_path / "model.json")
    layer, ticks = TileLinear.from_model(tmp_path / "model.json", linear(16, 4)), ticks_of(rng, 4, 16)
    weights = layer.tile_weights().numpy()[0]
    from tilemodel import conductances_from_weights

    expected = compact.tile_model(conductances_from_weights(compact.tile, weights)).mvm(ticks).charge_coulomb
    got = layer.codes(torch.from_numpy(ticks)).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize(
    ("tile", "message"),
    [
        (lambda: switch_tile(), "takes no negative inputs"),
        (lambda: driven_tile(adc="cco").model_copy(update={"adc": _compressing()}), "without i_half_ampere"),
    ],
)
def test_what_is_not_covered_is_refused(tile, message):
    with pytest.raises(InputError, match=message):
        TileLinear(linear(), tile())


def _compressing():
    return pair_tile(adc={**ADCS["cco"], "i_half_ampere": 5e-4}).adc


def test_wrong_arguments_are_refused():
    with pytest.raises(InputError, match="expected float32 or float64"):
        TileLinear(linear(dtype=torch.bfloat16), driven_tile())
    with pytest.raises(InputError, match=r"no nn\.Linear"):
        convert(nn.ReLU(), driven_tile())
    with pytest.raises(InputError, match="no input reached 0"):
        calibrate_ranges(convert(network(), driven_tile()), [])
    with pytest.raises(InputError, match="inputs of 0 are not finite"):
        calibrate_ranges(convert(network(), driven_tile()), [torch.full((1, 20), torch.nan)])
    with pytest.raises(InputError, match="finite number"):
        TileLinear(linear(), driven_tile()).set_input_range(float("nan"))
    with pytest.raises(InputError, match="has no noise"):
        TileLinear(linear(), driven_tile()).program(torch.Generator())
    with pytest.raises(InputError, match="operating point"):
        TileLinear(linear(), gated_tile()).compensate()


def test_the_core_does_not_import_torch():
    code = "import sys, tilemodel; tilemodel.TileModel, tilemodel.compensate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    "tile",
    [driven_tile(adc="cco_phase"), driven_tile(wires={"r_row_ohm": 5.0}), gated_tile("ramp")],
    ids=["linear", "rows", "gated"],
)
def test_runs_on_cuda(tile):
    layer, x = TileLinear(linear(), tile), torch.randn(4, 30, dtype=torch.float64)
    layer.set_input_range(4.0)
    expected = layer(x)
    expected.sum().backward()
    gradient = layer.weight.grad
    layer.weight.grad = None
    moved = layer.to("cuda")
    got = moved(x.cuda())
    got.sum().backward()
    torch.testing.assert_close(got.cpu(), expected)
    torch.testing.assert_close(moved.weight.grad.cpu(), gradient)
