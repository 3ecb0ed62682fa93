"""Cheap remedies against IR drop for layers and networks: order of rows, half bit lines, scaled inputs and columns."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel import InputError, TileLayer, TileModel, conductances_from_weights
from tilemodel.remedies import effective_weights, row_and_column_gains, rows_by_magnitude, split_rows

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tilemodel.torch import Task, calibrate_columns, convert, evaluate, order_rows, scale_against_ir_drop

pytestmark = pytest.mark.torch

IDEAL = {"kind": "ideal"}
CCO = {"kind": "cco", "f_hertz_per_ampere": 1e14, "phase_cycle": 0.0, "count_max": 4095}
REMEDIES = ("together_ordered", "together_split", "together_corrected")
ENDS = ["south", "north", "alternating"]


def array_of(ends, n_row=16):
    return {"n_row": n_row, "n_col": 4, "read_out_end": ends}


def tile_of(ends="alternating", r_ohm=300.0, adc=IDEAL, n_row=16):
    return pair_tile(
        array=array_of(ends, n_row), wires={"r_bit_line_ohm": r_ohm}, adc=adc, read_out={"v_clamp_volt": 0.4}
    )


def gated_tile():
    drive = {"sign": "two_phase", "input_bits": 4}
    return switch_tile(array=array_of("south"), wires={"r_bit_line_ohm": 20.0}, drive=drive, adc=CCO)


def unequal(n_in=20, n_out=6):
    """A layer whose rows differ in size, in no order."""
    rng = np.random.default_rng(3)
    linear = nn.Linear(n_in, n_out, bias=False).double()
    weights = rng.normal(size=(n_out, n_in)) * rng.permutation(np.linspace(0.05, 1.0, n_in))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights))
    return linear


def on_ticks(tile, n_in=20, n_vec=30):
    """Inputs that are whole ticks of a range of 1."""
    n_max = tile.drive.n_tick_max
    ticks = np.random.default_rng(5).integers(-n_max, n_max + 1, (n_vec, n_in))
    ticks[0, 0] = n_max  # it makes the batch's own range 1 too
    return torch.from_numpy(ticks / n_max)


def loss(layer, linear):
    inputs = on_ticks(layer.geometry.tile, linear.in_features)
    with torch.no_grad():
        return float((layer(inputs) - linear(inputs)).std() / linear(inputs).std())


@pytest.mark.parametrize("n_in", [10, 20])
@pytest.mark.parametrize("ends", ENDS)
def test_order_changes_nothing_without_wires(ends, n_in):
    linear, tile = unequal(n_in), tile_of(ends, r_ohm=0.0)
    plain, layer = convert(linear, tile), convert(linear, tile)
    order_rows(layer)
    inputs = on_ticks(tile, n_in)
    assert not torch.equal(layer.tile_weights(), plain.tile_weights())
    results = []
    for each in (plain, layer):
        output = each(inputs)
        output.square().sum().backward()
        results.append((output.detach().numpy(), each.weight.grad.numpy()))
    for found, expected in zip(results[1], results[0], strict=True):
        assert found == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING * np.abs(expected).max())
    calibrate_columns(layer, [inputs])  # what tiles put out is what they mean
    assert layer.column_gain.numpy() == pytest.approx(1.0, rel=ROUNDING)


@pytest.mark.parametrize("n_in", [10, 20])
@pytest.mark.parametrize("tile", [tile_of("south", adc=CCO), tile_of(adc=CCO), gated_tile()])
def test_codes_are_those_of_tiles_with_their_rows_in_that_order(tile, n_in):
    linear = unequal(n_in)
    layer = convert(linear, tile)
    plain = layer.tile_weights().numpy()
    order_rows(layer)
    ticks = np.round(on_ticks(tile, n_in).numpy() * tile.drive.n_tick_max).astype(np.int64)
    padded = np.pad(ticks, ((0, 0), (0, len(plain) * 16 - n_in)))
    expected = 0
    for k, weights in enumerate(plain):
        order = rows_by_magnitude(weights, tile)
        assert not np.array_equal(order, np.arange(16))
        expected = expected + TileLayer(tile, weights[order]).codes(padded[:, 16 * k : 16 * (k + 1)][:, order])
    assert np.array_equal(layer.codes(torch.from_numpy(ticks)).detach().numpy(), expected)
    assert expected.any()


@pytest.mark.parametrize("ends", ENDS)
def test_order_takes_some_of_the_loss(ends):
    linear = unequal()
    layer = convert(linear, tile_of(ends))
    before = loss(layer, linear)
    order_rows(layer)
    assert loss(layer, linear) < (0.95 if ends == "alternating" else 0.9) * before  # half the columns lose by it
    layer.compensate()  # of the rows where they lie
    assert loss(layer, linear) < 1e-9


@pytest.mark.parametrize("n_in", [10, 20])
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("is_ordered", [False, True])
def test_factors_are_exact_where_all_columns_draw_alike(ends, n_in, is_ordered):
    """Weights of a row that differ in sign alone: the share that arrives depends on the row and the end."""
    linear, tile = unequal(n_in), tile_of(ends)
    size = linear.weight.detach().abs().amax(dim=0)
    with torch.no_grad():
        linear.weight.copy_(size * linear.weight.sign())
    layer = convert(linear, tile)
    if is_ordered:
        order_rows(layer)
    assert loss(layer, linear) > 0.04
    scale_against_ir_drop(layer)
    gain = np.pad(layer.input_gain.numpy(), ((0, 0), (0, -n_in % 16))).reshape(len(layer.input_gain), -1, 16)
    order = np.tile(np.arange(16), (gain.shape[1], 1)) if layer.row_order is None else layer.row_order.numpy()
    for k, weights in enumerate(layer.tile_weights().numpy()):
        padded = np.pad(weights, ((0, 0), (0, 2)))
        columns = np.concatenate(
            [
                effective_weights(TileModel(tile, conductances_from_weights(tile, padded[:, at : at + 4])))
                for at in (0, 4)
            ],
            axis=1,
        )[:, :6]
        factors = gain[np.arange(6) % 2 if ends == "alternating" else [0] * 6, k][:, order[k]].T
        assert factors * columns * layer.column_gain[k].numpy() == pytest.approx(weights, abs=1e-10)
    assert layer.input_gain.numpy().max() <= 1


def test_columns_of_each_end_have_their_own_factors():
    """Even columns of alternating ends are those of a tile read at the south, odd ones at the north."""
    linear = unequal()
    outputs, inputs = {}, on_ticks(tile_of())
    for ends, used in (("alternating", slice(None)), ("south", slice(0, None, 2)), ("north", slice(1, None, 2))):
        part = nn.Linear(20, len(range(6)[used]), bias=False).double()
        with torch.no_grad():
            part.weight.copy_(linear.weight[used])
        layer = convert(part, tile_of(ends, adc=CCO))
        layer.set_input_range(1.0)
        before = loss(layer, part)
        scale_against_ir_drop(layer)
        assert loss(layer, part) < 0.2 * before
        outputs[ends] = layer(inputs).detach().numpy()
    assert outputs["alternating"][:, 0::2] == pytest.approx(outputs["south"], rel=ROUNDING, abs=ROUNDING)
    assert outputs["alternating"][:, 1::2] == pytest.approx(outputs["north"], rel=ROUNDING, abs=ROUNDING)


def test_factors_are_those_of_the_model_whatever_was_programmed():
    linear = unequal()
    layer, other = (convert(linear, tile_of()) for _ in range(2))
    scale_against_ir_drop(layer)
    other.compensate()
    scale_against_ir_drop(other)
    assert other.deviation is None
    assert torch.equal(other.input_gain, layer.input_gain)
    other.compensate()
    assert other.input_gain is None
    assert loss(other, linear) < 1e-9


def test_remedies_are_part_of_the_state():
    linear, inputs = unequal(), on_ticks(tile_of())
    layer, other = (convert(linear, tile_of()) for _ in range(2))
    order_rows(layer)
    scale_against_ir_drop(layer)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(inputs), layer(inputs))
    other.load_state_dict(convert(linear, tile_of()).state_dict())
    assert other.row_order is None
    assert not torch.equal(other(inputs), layer(inputs))


def test_a_layer_with_remedies_compiles_as_one_graph():
    torch._dynamo.reset()
    layer = convert(unequal(), tile_of(adc=CCO))
    order_rows(layer)
    scale_against_ir_drop(layer)
    inputs = on_ticks(tile_of())
    torch.testing.assert_close(torch.compile(layer, backend="eager", fullgraph=True)(inputs), layer(inputs))


def test_gains_of_rows_and_columns_are_found_where_they_are_all(rng):
    wanted, rows, columns = rng.normal(size=(8, 5)), rng.uniform(0.5, 1.0, 8), rng.uniform(0.5, 2.0, 5)
    wanted[3] = 0.0
    found, of_columns = row_and_column_gains(wanted, wanted * np.outer(rows, columns))
    assert found.max() == 1
    used = np.arange(8) != 3
    assert np.outer(found, of_columns)[used] == pytest.approx(1 / np.outer(rows, columns)[used], rel=1e-3)
    for nothing in row_and_column_gains(0 * wanted, 0 * wanted):
        assert np.array_equal(nothing, np.ones_like(nothing))


def test_gated_tiles_have_no_such_factors():
    layer = convert(nn.Sequential(unequal()), gated_tile())
    with pytest.raises(InputError, match="scale_against_ir_drop: 0: gated tiles"):
        scale_against_ir_drop(layer)


def _near(outputs, target):
    return -(outputs - target).abs().sum(dim=-1)


def _task():
    torch.manual_seed(1)
    network = nn.Sequential(unequal(20, 12), nn.Tanh(), unequal(12, 3))
    inputs = on_ticks(tile_of(), n_vec=60)
    with torch.no_grad():
        target = network(inputs)
    return Task(
        name="test", network=network, batches=[(inputs, target)], calibration=[inputs], score=_near, metric="closeness"
    )


def test_an_evaluation_has_a_row_a_remedy():
    tile = tile_of("south", adc=CCO)
    found = evaluate(_task(), tile)
    score = {name.removeprefix("together_"): found.score(name) for name in found.scores}
    assert score["together"] < score["ordered"] < score["corrected"] < 0
    assert score["together"] < score["split"]
    halves = evaluate(_task(), split_rows(tile, 8), only=["together"])
    assert np.array_equal(found.scores["together_split"], halves.scores["together"])


def test_remedies_that_can_do_nothing_are_no_rows():
    assert not [name for name in evaluate(_task(), tile_of(r_ohm=0.0)).scores if name in REMEDIES]
    one_row = evaluate(_task(), tile_of(n_row=1), only=["together_ordered", "together_corrected"])
    assert len(one_row.scores) == 3
    with pytest.raises(InputError, match="no condition together_split"):
        evaluate(_task(), tile_of(n_row=1), only=["together_split"])
