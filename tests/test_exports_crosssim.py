"""The export to CrossSim: names that it has, and, where CROSSSIM_PATH names a checkout, its outputs."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import crosssim
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of, weights_of
from tilemodel.adc import lsb_coulomb
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.exports import TARGETS
from tilemodel.noise.chip import conductance_moments
from tilemodel.noise.noisy_tile import noisy_tile as draw_chip_of
from tilemodel.noise.read_noise import tile_process

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
    "line ends": pair_tile(wires={"r_bit_line_ohm": 20.0, "r_terminal_ohm": 300.0}),
    "line ends of a mesh": passive_tile(r_bit_line_ohm=20.0, r_row_ohm=30.0, r_terminal_ohm=300.0),
    "four cells": pair_tile(cell={"kind": "rail_quad", "significance": 3.0}),
    "two phases": pair_tile(drive={"sign": "two_phase"}),
}
RAMP = {"kind": "ramp", "adc_bits": 9, "charge_full_scale_coulomb": 2e-13, "gain": 1.02}
CONVERTERS = {
    "gain, offset and INL": {**LINEAR, "gain": 1.03, "offset_lsb": 2.4, "inl_lsb": [0.0, 5.0, -3.0, 0.0]},
    "oscillator": {"kind": "cco", "f_hertz_per_ampere": 6.24e14, "phase_cycle": 0.3, "count_max": 400},
    "ramp": {**RAMP, "ramp_curvature": 0.05, "offset_lsb": 0.3},
    "sar": {"kind": "sar", "adc_bits": 9, "charge_full_scale_coulomb": 2e-13, "offset_lsb": 0.3},
}


def names(given, known, place=""):
    """Dotted names in `given` that `known` has not."""
    for key, value in given.items():
        if key not in known:
            yield f"{place}{key}"
        elif isinstance(value, dict):
            yield from names(value, known[key] or {}, f"{place}{key}.")


def test_a_second_pair_is_in_the_charges_and_listed():
    probe = probe_of(TILES["four cells"])
    export = TARGETS["crosssim"](probe)
    assert "second pair" in [loss.quantity for loss in export.losses]
    # four times the conductance on the wires is all that is lost
    assert probe.errors(export.predict(probe)).max_percent < 1


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


def test_an_oscillators_curve_is_listed_with_what_it_leaves():
    curved = {**CONVERTERS["oscillator"], "i_half_ampere": 5e-5}
    losses = {}
    for name, adc in (("curved", curved), ("straight", CONVERTERS["oscillator"])):
        probe = probe_of(pair_tile(adc=adc, read_out={"window": "settled"}))
        losses[name] = {loss.quantity: loss.errors for loss in TARGETS["crosssim"](probe).losses}
    assert "conversions" not in losses["straight"]
    left = losses["curved"]["conversions"].max_lsb
    codes = [
        np.abs(probe_of(pair_tile(adc=adc)).programmed.mvm(probe.ticks).code)
        for adc in (curved, curved | {"i_half_ampere": 1e6})
    ]
    without = np.abs(codes[0] - codes[1]).max()
    assert without > 5
    # what is left of the curve's effect: the current is not constant over the window
    assert left < 0.5 * without


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


def imported(folder):
    """The module that the export wrote."""
    spec = importlib.util.spec_from_file_location(f"crosssim_tile_{folder.name}", folder / "crosssim_tile.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def core_of(package, probe, folder):
    export = TARGETS["crosssim"](probe)
    for name, text in export.files.items():
        (folder / name).write_text(text)
    params = imported(folder).make_parameters()
    unit = json.loads((folder / "units.json").read_text())["charge_per_output_coulomb"]
    return package.AnalogCore(weights_of(probe).T, params=params), unit, export


def outputs(package, probe, folder):
    core, unit, export = core_of(package, probe, folder)
    inputs = probe.ticks / probe.tile.drive.n_tick_max
    return np.array([core.matvec(x) for x in inputs]) * unit, export


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TILES)
def test_crosssim_computes_what_the_export_says(package, name, tmp_path):
    probe = probe_of(TILES[name].model_copy(update={"adc": pair_tile(adc={"kind": "ideal"}).adc}))
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
def test_two_cores_have_both_read_out_ends(package, tmp_path):
    wires, ends = {"r_bit_line_ohm": 200.0}, {"read_out_end": "alternating", "n_col": 5}
    probe = probe_of(pair_tile(wires=wires, array=ends, adc={"kind": "ideal"}))
    core, unit, export = core_of(package, probe, tmp_path)
    inputs = probe.ticks / probe.tile.drive.n_tick_max
    assert [loss.quantity for loss in export.losses] == ["read-out end"]
    both = sys.modules[f"crosssim_tile_{tmp_path.name}"].make_core(weights_of(probe).T)
    largest = np.abs(probe.charge_coulomb).max()
    assert np.abs([core.matvec(x) * unit for x in inputs] - probe.charge_coulomb).max() > 1e-3 * largest
    assert np.abs([both.matvec(x) * unit for x in inputs] - probe.charge_coulomb).max() < CROSSSIM * largest


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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CONVERTERS)
@pytest.mark.parametrize("kind", ["one line", "two lines"])
def test_its_converter_class_gives_our_codes(package, name, kind, tmp_path):
    """Behind clamps with an offset, too; the few other codes lie at an edge, where conductances are rounded."""
    wires = {"r_bit_line_ohm": 20.0, "c_bit_line_farad": 0.0}
    adc = CONVERTERS[name]
    if kind == "one line":
        tile = pair_tile(adc=adc, wires=wires, array={"read_out_end": "south"}, read_out={"v_clamp_volt": 0.405})
    else:  # each line converts
        ideal = {"r_bit_line_ohm": 0.0, "c_bit_line_farad": 0.0}
        tile = passive_tile(**ideal).model_copy(update={"adc": pair_tile(adc=adc).adc})
    probe = probe_of(tile, n_vec=40)
    found, export = outputs(package, probe, tmp_path)
    assert [loss.quantity for loss in export.losses] == []
    expected = probe.programmed.mvm(probe.ticks).code
    lsb = lsb_coulomb(tile.adc, signed=True)
    assert np.abs(expected).max() > 50
    assert np.abs(found / lsb - np.rint(found / lsb)).max() < 1e-6
    assert np.abs(np.rint(found / lsb) - expected).max() <= 1
    assert (np.rint(found / lsb) != expected).mean() < 0.02


@pytest.mark.filterwarnings("ignore")
def test_read_noise_has_the_tiles_sigma(package, tmp_path):
    """Cells over all conductances; the outputs of many reads against the model's own closed form."""
    probe = probe_of(noisy_tile(), n_vec=1)
    values = json.loads(TARGETS["crosssim"](probe).files["crosssim_tile.json"])
    core_of(package, probe, tmp_path)
    device = sys.modules[f"crosssim_tile_{tmp_path.name}"].TileDevice
    g_max, tick = probe.tile.conductance.g_max_siemens, np.abs(probe.ticks[0])
    weight = (tick**2)[np.newaxis] / (tick**2).sum()
    process = tile_process(probe.tile.noise)
    used = tick > 0
    np.random.seed(3)  # noqa: NPY002 - CrossSim draws from it
    for g in (0.1, 0.5, 1.0):
        cells = np.full(200_000, g)
        drawn = device.read_noise(object.__new__(device), cells)
        sigma = process.sigma_siemens(g * g_max, tick[used] * probe.tile.drive.t_lsb_second) / g_max
        expected = np.sqrt((weight[0, used] * sigma**2).sum())
        assert drawn.mean() == pytest.approx(g, abs=5 * expected / np.sqrt(cells.size))
        assert drawn.std() == pytest.approx(expected, rel=0.01)  # 200 000 draws: 0.16 %
    assert values["noise"]["read_variance"] is not None
    assert device.read_noise(object.__new__(device), np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.filterwarnings("ignore")
def test_noisy_outputs_are_distributed_as_ours(package, tmp_path):
    """Chips: programming noise and drift; each read: read noise. Mean and sigma of the outputs."""
    tile = noisy_tile()
    probe = probe_of(tile.model_copy(update={"adc": pair_tile(adc={"kind": "ideal"}).adc}), n_vec=1)
    np.random.seed(5)  # noqa: NPY002 - CrossSim draws from it
    x, n_chip = probe.ticks[0] / tile.drive.n_tick_max, 400
    core, unit, _ = core_of(package, probe, tmp_path)
    chips = []
    for _ in range(n_chip):
        core.set_matrix(weights_of(probe).T)
        chips.append(core.matvec(x) * unit)
    rng = np.random.default_rng(6)
    model = probe.model.tile_model(probe.conductances)
    ours = np.concatenate([draw_chip_of(model, rng).mvm(probe.ticks, rng).charge_coulomb for _ in range(n_chip)])
    chips = np.array(chips)
    spread = ours.std(axis=0)
    # means and sigmas of 400 draws each: 5 sigma of both
    assert (np.abs(chips.mean(axis=0) - ours.mean(axis=0)) < 5 * spread * np.sqrt(2 / n_chip)).all()
    assert chips.std(axis=0) == pytest.approx(spread, rel=5 / np.sqrt(n_chip))


@pytest.mark.filterwarnings("ignore")
def test_programming_noise_and_drift_of_cells(package, tmp_path):
    probe = probe_of(noisy_tile())
    core_of(package, probe, tmp_path)
    device = sys.modules[f"crosssim_tile_{tmp_path.name}"].TileDevice
    noise, g_max = probe.tile.noise, probe.tile.conductance.g_max_siemens
    np.random.seed(4)  # noqa: NPY002 - CrossSim draws from it
    for t in (0.0, 1e4):
        cells = np.full(200_000, 0.6)
        drawn = device.drift_error(object.__new__(device), cells, t)
        aged = noise.model_copy(update={"t_since_programming_second": t})
        moments = conductance_moments(aged, cells[:1] * g_max)
        assert drawn.mean() * g_max == pytest.approx(moments.mean[0], rel=2e-3)
        assert drawn.std() * g_max == pytest.approx(np.sqrt(moments.variance[0]), rel=0.02)


@pytest.mark.filterwarnings("ignore")
def test_two_phases_convert_once_and_the_export_says_what_that_changes(package, tmp_path):
    adc = {"kind": "cco", "f_hertz_per_ampere": 1e15, "phase_cycle": 0.0, "count_max": 4000}
    wires = {"r_bit_line_ohm": 0.0, "c_bit_line_farad": 0.0}
    probe = probe_of(switch_tile(adc=adc, wires=wires, drive={"sign": "two_phase"}), n_vec=40)
    found, export = outputs(package, probe, tmp_path)
    loss = next(loss for loss in export.losses if loss.quantity == "conversions")
    expected = probe.errors(export.predict(probe)).max_lsb
    codes = probe.programmed.mvm(probe.ticks).code
    off = np.abs(found * adc["f_hertz_per_ampere"] - codes).max()
    assert np.abs(codes).max() > 50
    # the access devices, which it lacks, and a code at an edge
    assert 0.9 < loss.errors.max_lsb < 2.1
    assert off <= loss.errors.max_lsb + expected + 1.01
