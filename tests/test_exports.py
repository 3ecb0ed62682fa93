"""Exports: what is lost is listed with the error that it causes, and what is written can be computed with."""

import io
import json

import jsonschema
import numpy as np
import pytest

from reports.export import export_with_errors, write_export
from tests.conftest import pair_tile, switch_tile
from tests.exported import as_model, probe_of
from tests.tolerances import ROUNDING, SPICE_LINEAR, relative
from tilemodel.column_fit import left_after_fit
from tilemodel.compact import load_model, save_model
from tilemodel.config.errors import InputError, OutputError
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.exports import TARGETS
from tilemodel.model import TileModel, ideal_charge
from tilemodel_cli.main import main

every_target = pytest.mark.parametrize("target", TARGETS)
SIGNED_SWITCH = switch_tile(drive={"sign": "two_phase"})
CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}

MIRROR = {
    "kind": "mirror",
    "r_clamp_ohm": 0.0,
    "ratio": 0.5,
    "c_integration_farad": 1e-12,
    "r_reset_ohm": 1e3,
}


def noisy_pair():
    values = pair_tile().model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    return tile_from_mapping({**values, "noise": load_noise_preset("pcm_ibm")})


def quantities(export):
    return {loss.quantity: loss.errors for loss in export.losses}


KINDS = {"pair": pair_tile(), "switch": SIGNED_SWITCH, "noisy": noisy_pair()}


@pytest.mark.parametrize("kind", KINDS)
@every_target
def test_targets_take_every_kind_of_tile_that_they_hold(target, kind, tmp_path):
    tile = KINDS[kind]
    judged = export_with_errors(probe_of(tile), target, spice=False)
    write_export(judged, tmp_path / "out")
    content = json.loads((tmp_path / "out/not_represented.json").read_text())
    assert content["target"] == target
    assert content["whole"]["target_against_spice"] is None
    assert all((tmp_path / "out" / name).stat().st_size > 0 for name in judged.export.files)
    page = (tmp_path / "out/not_represented.html").read_text()
    assert all(row["quantity"] in page for row in content["not_represented"])


@every_target
def test_exports_are_the_same_to_the_byte(target, tmp_path):
    for name in ("a", "b"):
        write_export(export_with_errors(probe_of(noisy_pair()), target, spice=False), tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_json_is_the_model_and_obeys_its_schema(tmp_path):
    probe = probe_of(pair_tile())
    export = TARGETS["json"](probe)
    path = tmp_path / "model.json"
    path.write_text(export.files["model.json"])
    assert load_model(path) == probe.model
    jsonschema.validate(json.loads(export.files["model.json"]), json.loads(export.files["schema.json"]))
    assert export.losses == ()


@pytest.mark.parametrize("sign", ["polarity", "two_phase"])
@pytest.mark.parametrize("r_row_ohm", [0.0, 2.0])
def test_arrays_of_a_linear_tile_are_exact(sign, r_row_ohm):
    tile = pair_tile(drive={"sign": sign}, wires={"r_row_ohm": r_row_ohm, "r_bit_line_ohm": 3.0})
    probe = probe_of(tile)
    arrays = np.load(io.BytesIO(TARGETS["numpy"](probe).files["tile.npz"]))
    other = probe_of(tile, n_vec=9, seed=5).ticks
    found = other @ arrays["w_eff_coulomb_per_tick"] + arrays["offset_coulomb"]
    expected = TileModel(tile, probe.conductances).mvm(other).charge_coulomb
    assert found == relative(expected, ROUNDING * 10)


def test_arrays_of_a_gated_tile_are_closer_than_the_ideal_product():
    tile = switch_tile(wires={"r_bit_line_ohm": 20.0}, drive={"sign": "unsigned"})
    probe = probe_of(tile, n_vec=40)
    export = TARGETS["numpy"](probe)
    left = quantities(export)["state dependence"]
    ideal = probe.errors(ideal_charge(tile, probe.conductances, probe.ticks))
    assert 0 < left.rms_percent < 0.3 * ideal.rms_percent


def test_errors_are_those_of_the_quantity_alone():
    """Of a tile whose only flaw is what the target lacks, the loss is the whole error."""
    tile = pair_tile(wires={"r_bit_line_ohm": 0.0, "r_row_ohm": 50.0}, read_out={"v_clamp_volt": 0.4})
    export = TARGETS["aihwkit"](probe := probe_of(tile))
    alone = quantities(export)["row wires"]
    assert alone.max_percent > 0.05
    assert alone.max_percent == pytest.approx(probe.errors(export.predict(probe)).max_percent, rel=1e-9)


def test_read_noise_adds_what_its_closed_form_says():
    """One vector of one tick on one row: the charge is V t times the deviations of two conductances."""
    tile = noisy_pair()
    probe = probe_of(tile, n_vec=200)
    found = probe.errors_of_noise(["read"]).rms_percent
    noise = tile.noise.read
    x = np.log10(np.maximum(np.abs(probe.ticks), 1) * tile.drive.t_lsb_second / noise.t_reference_second)
    a, b = (sum(c * x**k for k, c in enumerate(cs)) for cs in (noise.slope, noise.offset_siemens))
    volt_second = np.abs(probe.ticks) * tile.drive.t_lsb_second * tile.v_read_volt
    variance = sum(
        ((a[:, :, np.newaxis] * g + b[:, :, np.newaxis]) ** 2 * volt_second[:, :, np.newaxis] ** 2).sum(axis=1)
        for g in (probe.conductances.g_plus, probe.conductances.g_minus)
    )
    expected = 100 * np.sqrt(variance.mean()) / probe.full_scale_coulomb
    # IR drop of this tile takes some off; 20 reads of 200 vectors
    assert found == pytest.approx(expected, rel=0.1)


LINEAR = {"kind": "linear", "adc_bits": 10, "charge_full_scale_coulomb": 2e-12, "gain": 1.0, "inl_lsb": []}


@pytest.mark.parametrize(
    ("adc", "quantity"),
    [
        ({**CCO, "i_half_ampere": 5e-5}, "oscillator curvature"),
        ({**LINEAR, "offset_lsb": 3.0}, "converter gain, offset, INL"),
    ],
)
def test_aihwkits_converters_lose_what_the_codes_say(adc, quantity):
    loss = quantities(TARGETS["aihwkit"](probe_of(pair_tile(adc=adc))))[quantity]
    if "offset" in quantity:
        assert loss.rms_lsb == pytest.approx(3)
    else:
        assert loss.max_lsb >= 1


def test_read_noise_of_a_split_input_is_listed_by_what_passes_share():
    noisy = noisy_pair()
    once = quantities(TARGETS["aihwkit"](probe_of(noisy)))
    assert not [name for name in once if "read noise" in name]
    values = noisy.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    split = tile_from_mapping({**values, "drive": {**values["drive"], "coding": "split", "split_low_bits": 3}})
    probe = probe_of(split)
    lost = quantities(TARGETS["aihwkit"](probe))["read noise from pass to pass"]
    # slow noise adds up over passes: independent draws are too small, by less than the noise itself
    assert 0 < lost.max_percent < probe.errors_of_noise(["read"]).max_percent


def test_what_a_fit_leaves_is_what_numpy_leaves(rng):
    ideal, charge = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    left = left_after_fit(charge, ideal)
    for column in range(3):
        design = np.stack([ideal[:, column], np.ones(20)], axis=1)
        expected = charge[:, column] - design @ np.linalg.lstsq(design, charge[:, column], rcond=None)[0]
        np.testing.assert_allclose(left[:, column], expected, atol=1e-12)


def test_aihwkit_gets_the_tiles_values_in_its_units():
    tile = pair_tile(adc=CCO, wires={"r_bit_line_ohm": 0.15})
    values = json.loads(TARGETS["aihwkit"](probe_of(tile)).files["aihwkit.json"])
    assert values["forward"]["ir_drop_rs"] == 0.15
    assert values["conductance"]["g_max_microsiemens"] == pytest.approx(1e6 * tile.conductance.g_max_siemens)
    expected = 6.24 * (tile.drive.t_lsb_second / 1e-9) * (tile.v_read_volt / 0.2)
    assert values["forward"]["adc_frequency"] == pytest.approx(expected)


@pytest.mark.spice
@every_target
def test_errors_against_spice(target):
    tile = pair_tile(array={"n_row": 8, "n_col": 2})
    judged = export_with_errors(probe_of(tile, n_vec=3), target)
    assert judged.model_against_spice.max_percent < 100 * SPICE_LINEAR
    assert judged.against_spice.max_percent == pytest.approx(judged.against_model.max_percent, abs=100 * SPICE_LINEAR)
    assert judged.reference["error_percent_full_scale"] < 100 * SPICE_LINEAR


def test_the_command(tmp_path, capsys):
    save_model(as_model(pair_tile()), tmp_path / "model.json")
    arguments = ["export", str(tmp_path / "model.json"), "--to", "aihwkit", "--no-spice", "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "as a whole, against the model" in capsys.readouterr().out
    assert main(arguments) == 0  # an earlier export is replaced
    compile((tmp_path / "out/aihwkit_tile.py").read_text(), "aihwkit_tile.py", "exec")


def test_bad_input_is_refused_before_anything_is_computed(tmp_path, capsys):
    save_model(as_model(pair_tile()), tmp_path / "model.json")
    model = str(tmp_path / "model.json")
    assert main(["export", model, "--to", "hspice", "-o", str(tmp_path / "out")]) == 2
    assert "there are aihwkit" in capsys.readouterr().err
    assert main(["export", "tile.toml", "--to", "json", "-o", str(tmp_path / "out")]) == 2
    assert "tilemodel calibrate" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("kept")
    assert main(["export", model, "--to", "json", "-o", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine/notes.txt").read_text() == "kept"
    with pytest.raises(OutputError):
        write_export(export_with_errors(probe_of(pair_tile()), "json", spice=False), tmp_path / "mine")
    with pytest.raises(InputError, match="unknown target"):
        export_with_errors(probe_of(pair_tile()), "hspice", spice=False)
    amplitude = pair_tile(drive={"coding": "amplitude"})
    with pytest.raises(InputError, match="pulses only"):
        TARGETS["aihwkit"](probe_of(amplitude))


@pytest.mark.parametrize(
    ("tile", "reason"),
    [
        (switch_tile(wires={"r_row_ohm": 1.0}), "needs ideal rows where cells are gated"),
        (switch_tile(), "negative inputs"),
        (pair_tile(read_out={"window": "cut"}), "settled window"),
        (pair_tile(cell={"device": {"kind": "linear", "polarity_asymmetry": 0.02}}), "covers linear tiles"),
        (pair_tile(read_out={"circuit": MIRROR}), "read-outs of kind"),
    ],
)
def test_torch_refuses_what_its_layer_cannot_hold(tile, reason):
    with pytest.raises(InputError, match=reason):
        TARGETS["torch"](probe_of(tile))


@pytest.mark.parametrize("target", ["aihwkit-lightning", "memtorch", "neurosim"])
def test_a_clamp_offset_is_listed_with_its_own_error(target):
    """Of a tile without wires whose clamps alone are off, that loss is the whole error; no loss is the whole twice."""
    probe = probe_of(pair_tile(wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.45}))
    export = TARGETS[target](probe)
    found = quantities(export)
    whole = probe.errors(export.predict(probe))
    assert whole.max_percent > 1
    # NeuroSim rounds weights to 8 bits, which is not the offset's
    assert found["clamp offset"].max_percent == pytest.approx(whole.max_percent, rel=0.01)


def test_lightning_needs_more_vectors_than_its_fit_has_numbers():
    with pytest.raises(InputError, match="at least 3"):
        TARGETS["aihwkit-lightning"](probe_of(pair_tile(), n_vec=2))


def test_lightnings_wires_are_charged_with_their_own_error_alone():
    tile = pair_tile(wires={"r_bit_line_ohm": 20.0}, read_out={"v_clamp_volt": 0.45})
    probe = probe_of(tile)
    wires = next(loss for loss in TARGETS["aihwkit-lightning"](probe).losses if loss.quantity == "bit line wires")
    bare = pair_tile(wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.45})
    expected = probe.errors(TileModel(bare, probe.conductances).mvm(probe.ticks).charge_coulomb)
    assert wires.errors == expected
