"""Converters that differ from bit line to bit line: the same law with values of their own, in every engine and file."""

import numpy as np
import pytest

from tests.conftest import pair_tile, switch_tile
from tests.exported import as_model, probe_of
from tests.tolerances import ROUNDING, relative
from tilemodel.adc import ConverterBank, quantize
from tilemodel.adc_metrics import transfer_metrics
from tilemodel.compact import load_model, save_model
from tilemodel.config.adc import CcoAdc, LinearAdc, RampAdc, SarAdc
from tilemodel.config.conditions import MismatchConfig
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.exports import TARGETS
from tilemodel.model import TileModel

LINEAR = {"kind": "linear", "adc_bits": 8, "charge_full_scale_coulomb": 3e-12, "gain": 1.05, "offset_lsb": 0.5}
KINDS = {
    "linear": LinearAdc(**LINEAR, inl_lsb=()),
    "cco": CcoAdc(kind="cco", f_hertz_per_ampere=6.24e13, phase_cycle=0.0, count_max=4095),
    "ramp": RampAdc(
        kind="ramp", adc_bits=8, charge_full_scale_coulomb=3e-12, gain=1.0, ramp_curvature=0.02, offset_lsb=0.5
    ),
    "sar": SarAdc(kind="sar", adc_bits=8, charge_full_scale_coulomb=3e-12, offset_lsb=0.5),
}
OWN = {"gain_line": [0.97, 1.0, 1.04], "offset_line_lsb": [-2.0, 0.0, 3.0]}
KNOTS = [[0.0, 2.0, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.5, -3.0, 1.0, -0.5]]


def with_own(adc, **values):
    return type(adc).model_validate(adc.model_dump() | values)


@pytest.mark.parametrize("kind", KINDS)
def test_each_line_converts_as_a_converter_of_its_values_alone(kind, rng):
    """Gain scales the charge before the law, offset adds to the level, or is a charge of that many steps."""
    adc = KINDS[kind]
    own = {key: values for key, values in OWN.items() if key in type(adc).model_fields}
    bank = ConverterBank(with_own(adc, **own), None, 3, signed=True)
    charge = rng.uniform(-1e-12, 1e-12, (200, 3))
    gain = np.array(own.get("gain_line", np.ones(3)))
    alike = quantize(adc, gain * charge + np.array(OWN["offset_line_lsb"]) * bank.lsb_coulomb / _gain(adc), signed=True)
    np.testing.assert_array_equal(bank.codes(charge), alike)


def _gain(adc):
    return getattr(adc, "gain", 1.0)


def test_each_line_has_its_inl(rng):
    charge = rng.uniform(-3.5e-12, 3.5e-12, (500, 3))
    bank = ConverterBank(with_own(KINDS["linear"], inl_line_lsb=KNOTS), None, 3, signed=True)
    codes = bank.codes(charge)
    for line, knots in enumerate(KNOTS):
        alone = with_own(KINDS["linear"], inl_lsb=knots)
        np.testing.assert_array_equal(codes[:, line], quantize(alone, charge[:, line], signed=True))
    inl = transfer_metrics(bank).inl_end_point_lsb
    assert np.abs(inl[:, 1]).max() < 1e-6
    assert inl[:, 0].max() == pytest.approx(2.0, abs=0.05)


def test_mismatch_comes_on_top():
    off = dict.fromkeys(MismatchConfig.model_fields, 0.0)
    drawn = MismatchConfig(**(off | {"seed": 5, "adc_gain_sigma": 0.02, "adc_offset_sigma_lsb": 0.7}))
    own, alike = (
        ConverterBank(adc, drawn, 3, signed=True) for adc in (with_own(KINDS["linear"], **OWN), KINDS["linear"])
    )
    assert own.gain_line == relative(alike.gain_line * OWN["gain_line"], ROUNDING)
    assert own.offset_line_lsb == relative(alike.offset_line_lsb + OWN["offset_line_lsb"], ROUNDING)


def test_files_and_hashes_without_such_values_stay_as_they_were():
    known = {
        "ibm_pair_64x16": "98166369bce7ba1d53c843d87e534ad3362e3a39e81494bd8479f9c1e22f742c",
        "circuits/adc_ramp": "706de3a3dec58d3c1f3ecaa84e6647739e867ca10ad804e46c221f9cac47a985",
        "circuits/adc_sar": "67389a6ec72fcdd26e93be069a44d4c484bc4fe91e7796361f3cea8f82d0ffe3",
        "circuits/adc_linear_inl": "fd7a9a17ff5a6f36558b1104253c2a3e19db68a81cf444b9cc4edfe56d300109",
    }
    for name, sha256 in known.items():
        tile = load_tile(f"examples/{name}.toml")
        assert tile.sha256() == sha256
        assert "_line" not in str(sorted(tile.adc.model_dump()))
    alike = pair_tile(adc={**LINEAR, "inl_lsb": ()})
    assert pair_tile(adc={**LINEAR, "inl_lsb": (), **OWN}).sha256() != alike.sha256()


def test_a_model_file_keeps_them_and_the_fast_model_uses_them(tmp_path, rng):
    tile = switch_tile(array={"n_col": 2}, adc={**LINEAR, "inl_lsb": (), "offset_line_lsb": [4.0, 0.0, 0.0, 6.0]})
    save_model(as_model(tile), tmp_path / "model.json")
    again = load_model(tmp_path / "model.json")
    assert again.tile == tile
    alike = switch_tile(array={"n_col": 2}, adc={**LINEAR, "inl_lsb": ()})
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 5)
    difference = again.tile_model(c).mvm(ticks).code - TileModel(alike, c).mvm(ticks).code
    np.testing.assert_array_equal(difference, np.tile([4, -6], (5, 1)))
    np.testing.assert_array_equal(again.tile_model(c).codes(ticks), again.tile_model(c).mvm(ticks).code)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gain_line": [1.0, 1.0]}, "adc.gain_line has 2 values, and the tile 3 bit lines"),
        ({"gain_line": [1.0, -1.0, 1.0]}, "greater than"),
        ({"inl_lsb": (0.0, 0.0), "inl_line_lsb": [[0.0, 0.0]] * 3}, "takes the place of inl_lsb"),
        ({"inl_line_lsb": [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0, 0.0]]}, "as many values on every line"),
        ({"inl_line_lsb": [[0.0, 0.0], [0.0, 0.0], [0.0, -254.0]]}, r"inl_line_lsb\[2\] falls by 254 LSB"),
    ],
)
def test_wrong_lists_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        pair_tile(adc={**LINEAR, "inl_lsb": (), **values})


def test_a_bank_of_other_lines_is_refused():
    with pytest.raises(InputError, match="has 3 values, and there are 4 bit lines"):
        ConverterBank(with_own(KINDS["linear"], **OWN), None, 4, signed=True)


@pytest.mark.parametrize("target", ["aihwkit", "aihwkit-lightning", "crosssim", "memtorch", "neurosim"])
def test_targets_whose_columns_are_alike_say_so(target):
    tile = pair_tile(adc={**LINEAR, "inl_lsb": (), **OWN})
    values = {loss.quantity: loss.value for loss in TARGETS[target](probe_of(tile)).losses}
    assert values["converters that differ"] == "[adc] gain_line, offset_line_lsb"
    alike = pair_tile(adc={**LINEAR, "inl_lsb": ()})
    assert "converters that differ" not in {loss.quantity for loss in TARGETS[target](probe_of(alike)).losses}


@pytest.mark.parametrize("target", ["ngspice", "verilog-a"])
def test_circuits_take_gains_and_offsets_and_refuse_an_inl_of_each_line(target):
    tile = pair_tile(adc={**LINEAR, "inl_lsb": (), **OWN})
    assert "converters that differ" not in {loss.quantity for loss in TARGETS[target](probe_of(tile)).losses}
    bent = pair_tile(adc={**LINEAR, "inl_lsb": (), "inl_line_lsb": KNOTS})
    with pytest.raises(InputError, match="circuit exports hold one INL"):
        TARGETS[target](probe_of(bent))
