"""The export to CrossSim: names that it has, and, where CROSSSIM_PATH names a checkout, its outputs."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import crosssim
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of, weights_of
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.exports import TARGETS

FIELDS = json.loads((Path(__file__).parent / "golden/crosssim_fields.json").read_text())["fields"]
PASSIVE = {
    "kind": "passive",
    "v_common_volt": 0.0,
    "v_read_volt": 0.2,
    "device": {"kind": "linear", "polarity_asymmetry": 0.0},
}
LINEAR = {"kind": "linear", "adc_bits": 10, "charge_full_scale_coulomb": 2e-13, "gain": 1.0, "offset_lsb": 0.0}
# Its conductances are float32, and its sweeps stop at 1e-6 of full scale (measured: 3e-7)
CROSSSIM = 2e-6


def passive_tile(**wires):
    return pair_tile(cell=PASSIVE, wires=wires, read_out={"v_clamp_volt": 0.0})


def noisy_tile():
    values = pair_tile().model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    return tile_from_mapping({**values, "noise": load_noise_preset("pcm_ibm")})


TILES = {
    "pair": pair_tile(wires={"r_bit_line_ohm": 20.0}),
    "pair without wires": pair_tile(wires={"r_bit_line_ohm": 0.0}),
    "mesh": passive_tile(r_bit_line_ohm=20.0, r_row_ohm=30.0, r_driver_ohm=100.0),
    "switch": switch_tile(wires={"r_bit_line_ohm": 20.0}),
}


def names(given, known, place=""):
    """Dotted names in `given` that `known` has not."""
    for key, value in given.items():
        if key not in known:
            yield f"{place}{key}"
        elif isinstance(value, dict):
            yield from names(value, known[key] or {}, f"{place}{key}.")


@pytest.mark.parametrize("tile", [*TILES.values(), noisy_tile(), pair_tile(adc={**LINEAR, "inl_lsb": []})])
def test_every_name_is_one_of_crosssims(tile):
    values = json.loads(TARGETS["crosssim"](probe_of(tile)).files["crosssim.json"])
    # fields of some converters' own classes, beside those of all
    assert list(names(values, FIELDS)) == []


def test_drivers_are_left_out_and_said_so():
    export = TARGETS["crosssim"](probe_of(TILES["mesh"]))
    loss = next(loss for loss in export.losses if loss.quantity == "row drivers")
    assert loss.errors.max_percent > 0.01
    assert json.loads(export.files["crosssim.json"])["xbar"]["array"]["parasitics"]["Rp_row_terminal"] == 0


def test_sigmas_are_of_the_cells_that_there_are():
    probe = probe_of(noisy_tile())
    values = json.loads(TARGETS["crosssim"](probe).files["crosssim.json"])
    law, g_max = probe.tile.noise.programming, probe.tile.conductance.g_max_siemens
    cells = np.concatenate([probe.conductances.g_plus.ravel(), probe.conductances.g_minus.ravel()])
    sigma = sum(c * (cells / law.g_reference_siemens) ** k for k, c in enumerate(law.coefficients_siemens))
    magnitude = values["xbar"]["device"]["programming_error"]["magnitude"]
    assert magnitude == pytest.approx(np.sqrt(np.mean(sigma**2)) / g_max)


@pytest.fixture
def package():
    reason = crosssim.available()
    if reason is not None:
        pytest.skip(reason)
    import simulator

    return simulator


def outputs(package, probe, folder):
    export = TARGETS["crosssim"](probe)
    for name, text in export.files.items():
        (folder / name).write_text(text)
    params = package.CrossSimParameters.from_json(folder / "crosssim.json")
    core = package.AnalogCore(weights_of(probe).T, params=params)
    inputs = probe.ticks / probe.tile.drive.n_tick_max
    unit = json.loads((folder / "units.json").read_text())["charge_per_output_coulomb"]
    return np.array([core.matvec(x) for x in inputs]) * unit, export


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TILES)
def test_crosssim_computes_what_the_export_says(package, name, tmp_path):
    probe = probe_of(TILES[name])
    found, export = outputs(package, probe, tmp_path)
    expected = export.predict(probe)
    assert np.abs(found - expected).max() < CROSSSIM * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore")
def test_where_it_can_represent_the_circuit_it_is_our_model(package, tmp_path):
    tile = pair_tile(wires={"r_bit_line_ohm": 20.0}, read_out={"v_clamp_volt": 0.4})
    probe = probe_of(tile)
    found, export = outputs(package, probe, tmp_path)
    assert export.losses == ()
    assert np.abs(found - probe.charge_coulomb).max() < CROSSSIM * np.abs(probe.charge_coulomb).max()
    ideal = probe_of(pair_tile(wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.4}))
    assert np.abs(found - ideal.charge_coulomb).max() > 100 * CROSSSIM * np.abs(found).max()


@pytest.mark.filterwarnings("ignore")
def test_its_converter_is_ours(package, tmp_path):
    wires = {"r_bit_line_ohm": 0.0, "c_bit_line_farad": 0.0}
    tile = pair_tile(adc={**LINEAR, "inl_lsb": []}, wires=wires, read_out={"v_clamp_volt": 0.4})
    probe = probe_of(tile, n_vec=40)
    found, _ = outputs(package, probe, tmp_path)
    lsb = LINEAR["charge_full_scale_coulomb"] / (2 ** (LINEAR["adc_bits"] - 1) - 1)
    expected = probe.programmed.mvm(probe.ticks).code
    assert np.abs(expected).max() > 50
    assert np.abs(np.rint(found / lsb) - expected).max() <= 1
    assert (np.rint(found / lsb) != expected).mean() < 0.02
