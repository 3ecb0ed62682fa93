"""The exported modules in the packages that they are for: their outputs are what the export says they are."""

import importlib.util
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import crosssim
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of, weights_of
from tests.tolerances import ROUNDING
from tilemodel.config.load import load_noise_preset, load_tile, tile_from_mapping
from tilemodel.exports import TARGETS
from tilemodel.model import TileModel
from tilemodel.noise.noisy_tile import NoisyTile

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch

needs_aihwkit = pytest.mark.skipif(find_spec("aihwkit") is None, reason="aihwkit is not installed")
needs_lightning = pytest.mark.skipif(find_spec("aihwkit_lightning") is None, reason="aihwkit-lightning is missing")
aihwkit = [pytest.mark.aihwkit, needs_aihwkit]
CCO = {"kind": "cco", "f_hertz_per_ampere": 3e14, "phase_cycle": 0.0, "count_max": 2**20}
SATURATING = {**CCO, "phase_cycle": 0.4, "count_max": 60}
LINEAR = {"kind": "linear", "adc_bits": 10, "charge_full_scale_coulomb": 2e-13, "gain": 1.0, "offset_lsb": 0.0}


@pytest.fixture
def float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def module_of(export, folder):
    """Import what the export wrote."""
    for name, text in export.files.items():
        (folder / name).write_text(text)
    name = next(name for name in export.files if name.endswith(".py"))
    spec = importlib.util.spec_from_file_location(f"exported_{folder.name}", folder / name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def output(config, probe, ticks=None):
    weights = weights_of(probe)
    tile = config.simulator_tile_class(*weights.shape, config)
    tile.set_weights(torch.tensor(weights.T.copy()))
    ticks = probe.ticks if ticks is None else ticks
    with torch.no_grad():
        return tile.forward(torch.tensor(ticks / probe.tile.drive.n_tick_max), is_test=True).numpy()


TILES = {
    "as ibm's": pair_tile(),
    "wires that matter": pair_tile(wires={"r_bit_line_ohm": 5.0}),
    "other volts and ticks": pair_tile(cell={"v_read_volt": 0.1}, drive={"t_lsb_second": 2e-9}),
    "odd columns": pair_tile(array={"n_col": 3}),
    "split": pair_tile(drive={"coding": "split", "split_low_bits": 3}),
    "bit-wise": pair_tile(drive={"coding": "bit_wise"}),
    "gated": switch_tile(),
}


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", TILES)
def test_aihwkit_computes_what_the_export_says(name, tmp_path):
    tile = TILES[name].model_copy(update={"adc": pair_tile(adc={"kind": "ideal"}).adc})
    probe = probe_of(tile)
    export = TARGETS["aihwkit"](probe)
    module = module_of(export, tmp_path)
    config = module.make_rpu_config()
    found = output(config, probe) * module.charge_per_output_coulomb()
    expected = export.predict(probe)
    # aihwkit's 1e-12 uS to ground at each node (docs/aihwkit.md)
    assert np.abs(found - expected).max() < 1e-11 * np.abs(expected).max()


ALTERNATING = {"read_out_end": "alternating"}
SAME = {
    "no wires": pair_tile(wires={"r_bit_line_ohm": 0.0}),
    "wires that matter": pair_tile(wires={"r_bit_line_ohm": 200.0}, array=ALTERNATING),
    "line ends": pair_tile(wires={"r_bit_line_ohm": 20.0, "r_terminal_ohm": 1000.0}, array=ALTERNATING),
    "line ends alone": pair_tile(wires={"r_bit_line_ohm": 0.0, "r_terminal_ohm": 1000.0}, array=ALTERNATING),
}


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", SAME)
def test_where_aihwkit_can_represent_the_circuit_it_is_our_model(name, tmp_path):
    """The same charges, also as the circuit's own: of its clamp's offset, and half a segment that aihwkit lacks."""
    tile = SAME[name].model_copy(update={"adc": pair_tile(adc={"kind": "ideal"}).adc})
    probe = probe_of(tile)
    export = TARGETS["aihwkit"](probe)
    assert export.losses == ()
    module = module_of(export, tmp_path)
    found = output(module.make_rpu_config(), probe) * module.charge_per_output_coulomb()
    assert np.abs(found - probe.charge_coulomb).max() < 1e-11 * np.abs(probe.charge_coulomb).max()


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("adc", [CCO, SATURATING, LINEAR], ids=["cco", "saturating", "linear"])
@pytest.mark.parametrize("volt", [0.2, 0.1])
def test_codes(adc, volt, tmp_path):
    """All codes but those that lie on an edge; of an oscillator also behind wires, by which its ends are corrected."""
    inl = {"inl_lsb": []} if adc is LINEAR else {}
    wires = {"r_bit_line_ohm": 0.0 if adc is LINEAR else 200.0, "c_bit_line_farad": 0.0}
    tile = pair_tile(array=ALTERNATING, wires=wires, adc={**adc, **inl}, cell={"v_read_volt": volt})
    probe = probe_of(tile, n_vec=40)
    module = module_of(TARGETS["aihwkit"](probe), tmp_path)
    found = output(module.make_rpu_config(), probe) * module.code_per_output()
    expected = TileModel(tile, probe.conductances).mvm(probe.ticks).code
    assert np.abs(found - np.rint(found)).max() < 1e-6
    assert np.abs(expected).max() > 50
    assert (np.rint(found) != expected).mean() < 0.01
    assert np.abs(np.rint(found) - expected).max() <= 1


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
def test_aihwkits_failures_are_guarded(tmp_path):
    tile = noisy(pair_tile(array={"n_col": 3}))
    probe = probe_of(tile)
    module = module_of(TARGETS["aihwkit"](probe), tmp_path)
    zeros = np.zeros((2, 4, tile.array.n_row), dtype=np.int64)
    found = output(module.make_rpu_config(), probe, zeros)
    assert found.shape == (2, 4, 3)
    assert (found == found[0, 0]).all()


def noisy(tile, *kinds, read=None):
    """With those tables of IBM's noise, all if none is named; `read`: another law."""
    values = tile.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    noise = load_noise_preset("pcm_ibm")
    kept = {k: v for k, v in noise.items() if not kinds or k in kinds or k.startswith("t_")}
    return tile_from_mapping({**values, "noise": kept if read is None else kept | {"read": read}})


POWER_LAW = {
    "kind": "power_law",
    "beta": 0.9,
    "density_slope_per_root_hertz": 2e-6,
    "density_offset_siemens_per_root_hertz": 2e-12,
    "f_reference_hertz": 1e6,
    "f_low_hertz": 1e3,
    "f_high_hertz": 1e9,
    "f_white_hertz": 2e8,
    "t_min_second": 1e-9,
    "t_max_second": 1e-6,
}
READ = {
    "ibm's": noisy(pair_tile(), "read"),
    "wires that matter": noisy(
        pair_tile(wires={"r_bit_line_ohm": 1000.0}, array={"read_out_end": "alternating"}), "read"
    ),
    "another law, volts and ticks": noisy(
        pair_tile(cell={"v_read_volt": 0.1}, drive={"t_lsb_second": 2e-9}), "read", read=POWER_LAW
    ),
}


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", READ)
def test_read_noise_is_the_tiles_own(name, tmp_path):
    """Outputs of many reads: mean, standard deviation and independence between vectors and columns are ours."""
    tile = READ[name].model_copy(update={"adc": pair_tile(adc={"kind": "ideal"}).adc})
    probe, n_read = probe_of(tile, n_vec=2), 2000
    export = TARGETS["aihwkit"](probe)
    assert not [loss for loss in export.losses if loss.quantity.startswith("noise")]
    module = module_of(export, tmp_path)
    torch.manual_seed(2)
    many = np.repeat(probe.ticks, n_read, axis=0)
    found = output(module.make_rpu_config(), probe, many) * module.charge_per_output_coulomb()
    found = found.reshape(2, n_read, -1)
    chip = NoisyTile(probe.programmed, np.random.default_rng(0))
    ours = chip.mvm(many, np.random.default_rng(3)).charge_coulomb.reshape(2, n_read, -1)
    sigma = ours.std(axis=1)
    assert found.std(axis=1) == pytest.approx(sigma, rel=0.09)  # two draws of 2000: 2.2 %
    expected = export.predict(probe)
    assert (np.abs(found.mean(axis=1) - expected) < 5 * sigma / np.sqrt(n_read)).all()
    together = np.concatenate([found[0], found[1]], axis=1)
    others = np.corrcoef(together.T)[~np.eye(together.shape[1], dtype=bool)]
    assert np.abs(others).max() < 5 / np.sqrt(n_read)


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
def test_read_noise_comes_before_the_oscillator(tmp_path):
    tile = noisy(pair_tile(adc=CCO), "read")
    probe, n_read = probe_of(tile, n_vec=1), 4000
    module = module_of(TARGETS["aihwkit"](probe), tmp_path)
    torch.manual_seed(2)
    many = np.repeat(probe.ticks, n_read, axis=0)
    codes = output(module.make_rpu_config(), probe, many) * module.code_per_output()
    assert np.abs(codes - np.rint(codes)).max() < 1e-6
    ours = NoisyTile(probe.programmed, np.random.default_rng(0)).mvm(many, np.random.default_rng(3)).code
    assert ours.std(axis=0).min() > 1
    assert codes.std(axis=0) == pytest.approx(ours.std(axis=0), rel=0.06)


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
def test_read_noise_acts_in_training_too_and_has_no_gradient(tmp_path):
    tile = noisy(pair_tile(adc={"kind": "ideal"}), "read")
    probe, n_read = probe_of(tile, n_vec=1), 4000
    module = module_of(TARGETS["aihwkit"](probe), tmp_path)
    config, weights = module.make_rpu_config(), weights_of(probe)
    analog = config.simulator_tile_class(*weights.shape, config)
    analog.set_weights(torch.tensor(weights.T.copy()))
    torch.manual_seed(2)
    inputs = torch.tensor(np.repeat(probe.ticks, n_read, axis=0) / tile.drive.n_tick_max, requires_grad=True)
    found = analog.forward(inputs, is_test=False)
    found.sum().backward()
    assert torch.allclose(inputs.grad, analog.weight.detach().sum(dim=0).expand_as(inputs.grad))
    chip = NoisyTile(probe.programmed, np.random.default_rng(0))
    ours = chip.mvm(np.repeat(probe.ticks, n_read, axis=0), np.random.default_rng(3)).charge_coulomb
    sigma = found.detach().numpy().std(axis=0) * module.charge_per_output_coulomb()
    assert sigma == pytest.approx(ours.std(axis=0), rel=0.07)  # and the wires, which training leaves out


@pytest.mark.aihwkit
@needs_aihwkit
@pytest.mark.usefixtures("float64")
def test_programming_noise_and_drift_are_those_of_the_tile(tmp_path):
    values = pair_tile().model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    noise = {**load_noise_preset("pcm_ibm"), "long_term": None}
    tile = tile_from_mapping({**values, "noise": {k: v for k, v in noise.items() if v is not None}})
    module = module_of(TARGETS["aihwkit"](probe_of(tile)), tmp_path)
    law, g = module.TileNoise(), torch.full((200_000,), 10.0)
    torch.manual_seed(1)
    programmed = law.apply_programming_noise_to_conductance(g)
    c = tile.noise.programming.coefficients_siemens
    sigma = 1e6 * sum(a * (10e-6 / tile.noise.programming.g_reference_siemens) ** k for k, a in enumerate(c))
    assert float(programmed.std()) == pytest.approx(sigma, rel=0.02)  # 200 000 draws: 0.2 %
    nu = law.generate_drift_coefficients(g)
    drift = tile.noise.drift
    log = np.log(10e-6 / drift.g_reference_siemens)
    mean = np.clip(drift.nu_mean_log_slope * log + drift.nu_mean_offset, drift.nu_mean_min, drift.nu_mean_max)
    assert float(nu.mean()) == pytest.approx(mean, rel=0.02)
    later = law.apply_drift_noise_to_conductance(g, torch.full_like(g, 0.05), 980.0)
    assert float(later.mean()) == pytest.approx(10 * (1000 / drift.t_0_second) ** -0.05, rel=1e-9)


@pytest.mark.lightning
@needs_lightning
@pytest.mark.usefixtures("float64")
def test_lightning_computes_the_ideal_product(tmp_path):
    from aihwkit_lightning.nn import AnalogLinear

    probe = probe_of(pair_tile(adc={"kind": "ideal"}))
    export = TARGETS["aihwkit-lightning"](probe)
    config = module_of(export, tmp_path).make_rpu_config()
    weights = weights_of(probe)
    layer = AnalogLinear(*weights.shape, bias=False, rpu_config=config).eval()
    layer.weight.data = torch.tensor(weights.T.copy())
    layer.input_range.data.fill_(1.0)
    with torch.no_grad():
        found = layer(torch.tensor(probe.ticks / probe.tile.drive.n_tick_max)).numpy()
    unit = (probe.tile.conductance.g_max_siemens - probe.tile.conductance.g_min_siemens) * probe.tile.v_read_volt
    unit *= probe.tile.drive.n_tick_max * probe.tile.drive.t_lsb_second
    expected = export.predict(probe)
    assert np.abs(found * unit - expected).max() < 10 * ROUNDING * np.abs(expected).max()


@pytest.mark.lightning
@needs_lightning
@pytest.mark.usefixtures("float64")
def test_lightning_rounds_as_the_converter(tmp_path):
    from aihwkit_lightning.nn import AnalogLinear

    wires = {"r_bit_line_ohm": 0.0, "c_bit_line_farad": 0.0}
    tile = pair_tile(adc={**LINEAR, "inl_lsb": []}, wires=wires, read_out={"v_clamp_volt": 0.4})
    probe = probe_of(tile, n_vec=40)
    config = module_of(TARGETS["aihwkit-lightning"](probe), tmp_path).make_rpu_config()
    weights = weights_of(probe)
    layer = AnalogLinear(*weights.shape, bias=False, rpu_config=config).eval()
    layer.weight.data = torch.tensor(weights.T.copy())
    layer.input_range.data.fill_(1.0)
    with torch.no_grad():
        found = layer(torch.tensor(probe.ticks / tile.drive.n_tick_max)).numpy()
    lsb = config.forward.out_bound / (2 ** (LINEAR["adc_bits"] - 1) - 1)
    expected = TileModel(tile, probe.conductances).mvm(probe.ticks).code
    assert (np.rint(found / lsb) != expected).mean() < 0.01
    assert np.abs(found / lsb - np.rint(found / lsb)).max() < 1e-6
    assert np.abs(expected).max() > 50


@pytest.mark.lightning
@needs_lightning
def test_lightnings_noise_in_training_is_the_residual(tmp_path):
    """Its noise has the standard deviation that the export states, in units of the largest weight and input."""
    from aihwkit_lightning.nn import AnalogLinear

    probe = probe_of(pair_tile(wires={"r_bit_line_ohm": 20.0}, adc={"kind": "ideal"}))
    config = module_of(TARGETS["aihwkit-lightning"](probe), tmp_path).make_rpu_config()
    assert config.forward.out_noise > 0
    weights = weights_of(probe)
    layer = AnalogLinear(*weights.shape, bias=False, rpu_config=config)
    layer.weight.data = torch.tensor(weights.T.copy(), dtype=torch.float32)
    layer.input_range.data.fill_(1.0)
    layer.input_range_update_idx.fill_(10**6)
    torch.manual_seed(0)
    x = torch.zeros(4000, weights.shape[0])
    layer.train()
    with torch.no_grad():
        noise = layer(x)
    assert float(noise.std()) == pytest.approx(config.forward.out_noise, rel=0.1)


EXAMPLES = Path(__file__).parents[1] / "examples"
EXAMPLE_OF = {"aihwkit": "export_aihwkit.py", "crosssim": "export_crosssim.py"}


@pytest.mark.aihwkit
@pytest.mark.parametrize("target", EXAMPLE_OF)
def test_the_example_runs_a_network_on_the_export(target, tmp_path):
    if target == "crosssim" and (reason := crosssim.available()):
        pytest.skip(reason)
    if target == "aihwkit" and find_spec("aihwkit") is None:
        pytest.skip("aihwkit is not installed")
    script = EXAMPLES / EXAMPLE_OF[target]
    assert len(script.read_text().splitlines()) < 40
    tile = load_tile(EXAMPLES / "ibm_pair_64x16.toml")
    for name, text in TARGETS[target](probe_of(tile)).files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (percent,) = re.findall(r"error of the outputs (\S+) %", done.stdout)
    assert 0.1 < float(percent) < 10
