"""A gain and an offset a column in tilemodel.torch: what they undo, and what they leave."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_tile

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from torch import nn

from tilemodel import InputError
from tilemodel.config.conditions import MismatchConfig
from tilemodel.torch import calibrate_columns, convert
from tilemodel.variants import with_tables

pytestmark = pytest.mark.torch

ARRAY = {"n_row": 16, "n_col": 4, "read_out_end": "alternating"}
LINEAR = {"kind": "linear", "adc_bits": 12, "charge_full_scale_coulomb": 2e-11, "inl_lsb": []}

NO_MISMATCH = {
    "seed": 3,
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 0.0,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.0,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}


def _network(n_in=30):
    torch.manual_seed(5)
    return nn.Linear(n_in, 10).double()


def _errors(network, tile, inputs):
    """Standard deviation of each output's error, of the outputs', before and after; the layer."""
    layer = convert(network, tile)
    layer.set_input_range(1.0)
    layer.eval()
    with torch.no_grad():
        wanted = network(inputs)
        before = layer(inputs) - wanted
        calibrate_columns(layer, [inputs[:100], inputs[100:]])
        after = layer(inputs) - wanted
    return [(error.std(dim=0) / wanted.std(dim=0)).numpy() for error in (before, after)], after, layer


def _inputs(n_vec=400, n_in=30):
    return torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (n_vec, n_in)))


def test_gains_and_offsets_of_converters_are_taken_back():
    """Gains of converters differ by 10 %. What is left is rounding, of inputs and of codes."""
    adc = {**LINEAR, "gain": 1.0, "offset_lsb": 0.0}
    exact = pair_tile(array=ARRAY, wires={"r_bit_line_ohm": 0.0}, adc=adc)
    wrong = with_tables(exact, mismatch=MismatchConfig(**{**NO_MISMATCH, "adc_gain_sigma": 0.1}))
    (rounding, _), _, _ = _errors(_network(), exact, _inputs())
    (before, after), error, layer = _errors(_network(), wrong, _inputs())
    assert before.max() > 0.05
    assert after.max() < 1.3 * rounding.max() < 0.01
    assert abs(error.mean(dim=0)).max() < 1e-9  # of the batch that was fitted
    assert layer.column_gain.std() == pytest.approx(0.1, rel=0.5)


def test_a_gain_a_column_leaves_of_ir_drop_what_depends_on_the_row():
    tile = pair_tile(array=ARRAY, wires={"r_bit_line_ohm": 100.0}, adc={"kind": "ideal"})
    (before, after), _, _ = _errors(_network(16), tile, _inputs(n_in=16))
    assert (after < before).all()
    assert after.min() > 0.005


def test_the_calibration_is_part_of_the_state():
    tile = pair_tile(array=ARRAY, wires={"r_bit_line_ohm": 100.0}, adc={"kind": "ideal"})
    _, _, layer = _errors(_network(), tile, _inputs())
    other = convert(_network(), tile)
    other.load_state_dict(layer.state_dict())
    with torch.no_grad():
        assert torch.equal(other(_inputs()), layer(_inputs()))
        layer.program_exactly()
        assert not torch.equal(other(_inputs()), layer(_inputs()))


def test_calibrating_twice_changes_nothing_more():
    tile = pair_tile(array=ARRAY, wires={"r_bit_line_ohm": 100.0}, adc={"kind": "ideal"})
    _, _, layer = _errors(_network(), tile, _inputs())
    gain, offset = layer.column_gain.clone(), layer.column_offset.clone()
    calibrate_columns(layer, [_inputs()])
    assert layer.column_gain.numpy() == pytest.approx(gain.numpy(), rel=1e-9)
    assert layer.column_offset.numpy() == pytest.approx(offset.numpy(), abs=1e-9)


def test_layers_without_inputs_are_named():
    layer = convert(_network(), pair_tile(array=ARRAY))
    with pytest.raises(InputError, match="fewer than two vectors"):
        calibrate_columns(layer, [_inputs()[:1]])
