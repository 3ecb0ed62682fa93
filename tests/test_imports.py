"""Configurations of other simulators: what they compute, the tile files that they become, and the check by SPICE."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from benchmarks.peers import crosssim
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of, weights_of
from tests.test_exports_crosssim import LINEAR, TILES, passive_tile
from tests.tolerances import ROUNDING
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.exports import TARGETS
from tilemodel.imports import configuration_from_rpu_config, load_configuration, tile_file_text
from tilemodel.model import TileModel
from tilemodel_cli.main import main

DRIVEN = {name: tile for name, tile in TILES.items() if name not in ("switch", "four cells")}


def exported(probe, target, folder):
    """The configuration that we export, read back, and the export."""
    export = TARGETS[target](probe)
    for name, text in export.files.items():
        (folder / name).write_text(text)
    return load_configuration(folder / f"{target}.json"), export


def product(configuration, probe, *, converted=False):
    """As a charge."""
    tile, g = probe.tile, probe.tile.conductance
    longest = tile.drive.n_tick_max * tile.drive.t_lsb_second
    unit = (g.g_max_siemens - g.g_min_siemens) * tile.v_read_volt * longest
    inputs = probe.ticks / tile.drive.n_tick_max
    return unit * configuration.product(weights_of(probe), inputs, converted=converted)


def edited(values, folder, **changes):
    """`values` with dotted names (dots as __) changed, as a file."""
    values = json.loads(json.dumps(values))
    for dotted, value in changes.items():
        *tables, last = dotted.split("__")
        part = values
        for name in tables:
            part = part.setdefault(name, {})
        part[last] = value
    path = folder / "edited.json"
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize("target", ["crosssim", "aihwkit"])
@pytest.mark.parametrize("tile", DRIVEN.values(), ids=DRIVEN)
def test_what_we_export_computes_what_the_export_says(target, tile, tmp_path):
    """And tests of the exports find the real packages' outputs equal to that."""
    if target == "aihwkit" and tile.cell.kind == "passive":
        pytest.skip("aihwkit has no arrays of two lines")
    probe = probe_of(tile)
    configuration, export = exported(probe, target, tmp_path)
    expected = export.predict(probe)
    assert np.abs(product(configuration, probe) - expected).max() < 100 * ROUNDING * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("subtract", [True, False])
def test_crosssim_computes_the_same(subtract, tmp_path):
    reason = crosssim.available()
    if reason is not None:
        pytest.skip(reason)
    import simulator

    tile = passive_tile(r_bit_line_ohm=20.0, r_row_ohm=30.0)
    probe = probe_of(tile.model_copy(update={"adc": pair_tile(adc={**LINEAR, "inl_lsb": []}).adc}))
    values = json.loads(TARGETS["crosssim"](probe).files["crosssim.json"])
    changes = {
        "core__balanced__subtract_current_in_xbar": subtract,
        "xbar__array__parasitics__Rp_col_terminal": 50.0,
        "core__mapping__weights": {"percentile": 1.0, "min": None, "max": None},
    }
    path = edited(values, tmp_path, **changes)
    configuration, weights = load_configuration(path), 0.5 * weights_of(probe)
    core = simulator.AnalogCore(weights.T, params=simulator.CrossSimParameters.from_json(path))
    inputs = probe.ticks / probe.tile.drive.n_tick_max
    found = np.array([core.matvec(x) for x in inputs])
    expected = configuration.product(weights, inputs, converted=True)
    step = configuration.converter.step * np.abs(weights).max()
    assert np.abs(expected).max() > 20 * step
    away = np.abs(found - expected) / step
    assert away.max() < 1.1
    assert (away > 0.1).mean() < 0.1  # an output at the edge of a step


def test_an_imported_tile_is_the_circuit_of_the_configuration(tmp_path):
    probe = probe_of(pair_tile(wires={"r_bit_line_ohm": 20.0}))
    configuration, _ = exported(probe, "crosssim", tmp_path)
    path = tmp_path / "tile.toml"
    path.write_text(tile_file_text(configuration, probe.tile, "imported"))
    model = TileModel(load_tile(path), probe.conductances)
    expected = product(configuration, probe)
    assert np.abs(model.mvm(probe.ticks).charge_coulomb - expected).max() < 100 * ROUNDING * np.abs(expected).max()
    assert f"n_row = {probe.tile.array.n_row}  # assumed" in path.read_text()


def test_an_oscillator_comes_back(tmp_path):
    cco = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}
    probe = probe_of(pair_tile(adc=cco))
    configuration, _ = exported(probe, "aihwkit", tmp_path)
    path = tmp_path / "tile.toml"
    path.write_text(tile_file_text(configuration, probe.tile, "imported"))
    adc = load_tile(path).adc
    assert adc.f_hertz_per_ampere == pytest.approx(6.24e13)
    codes = np.rint(product(configuration, probe, converted=True) * adc.f_hertz_per_ampere)
    counted = np.trunc(product(configuration, probe) * adc.f_hertz_per_ampere)
    assert np.array_equal(codes, counted)
    assert np.abs(codes).max() > 5


def test_the_counter_of_an_exported_oscillator_ends_where_the_tiles_does(tmp_path):
    cco = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4}
    probe = probe_of(pair_tile(adc=cco))
    configuration, _ = exported(probe, "aihwkit", tmp_path)
    codes = np.rint(product(configuration, probe, converted=True) * cco["f_hertz_per_ampere"])
    assert np.abs(codes).max() == cco["count_max"]
    with pytest.raises(InputError, match="phase_cycle"):
        exported(probe_of(pair_tile(adc=cco | {"phase_cycle": 0.5})), "aihwkit", tmp_path)


def test_a_rounding_converter_comes_back(tmp_path):
    probe = probe_of(pair_tile(adc={**LINEAR, "inl_lsb": []}))
    configuration, _ = exported(probe, "crosssim", tmp_path)
    path = tmp_path / "tile.toml"
    path.write_text(tile_file_text(configuration, probe.tile, "imported"))
    adc = load_tile(path).adc
    assert adc.adc_bits == LINEAR["adc_bits"]
    assert adc.charge_full_scale_coulomb == pytest.approx(LINEAR["charge_full_scale_coulomb"], rel=ROUNDING, abs=0)


def test_what_a_file_lacks_is_said(tmp_path):
    path = tmp_path / "partial.json"
    path.write_text('{"core": {"balanced": {"interleaved_posneg": true}}}')
    text = tile_file_text(load_configuration(path), pair_tile(), "imported")
    assert "default: xbar.device.Rmin = 1000.0" in text
    assert "t_lsb_second = 1e-09  # assumed" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"core__style": 2}, "core.style"),
        ({"xbar__device__cell_bits": 4}, "cell_bits"),
        ({"xbar__device__Rmin": -5}, "Rmin"),
        ({"xbar__device__Rmin": 1e9}, "larger than Rmin"),
        ({"xbar__array__parasitics__Rp_row_terminal": 5.0}, "wrong place"),
        ({"xbar__array__parasitics__Rp_row": 5.0}, "interleaved"),
        ({"xbar__dac__mvm": 3}, "expected a table"),
        ({"core__mapping__weights__percentile": 0.9}, "percentile"),
    ],
)
def test_what_cannot_be_computed_is_refused(changes, message, tmp_path):
    exported(probe_of(pair_tile()), "crosssim", tmp_path)
    values = json.loads((tmp_path / "crosssim.json").read_text())
    with pytest.raises(InputError, match=message):
        load_configuration(edited(values, tmp_path, **changes))


def test_a_converter_that_is_not_of_equal_steps_is_refused(tmp_path):
    files = TARGETS["crosssim"](probe_of(pair_tile(adc={**LINEAR, "inl_lsb": [], "offset_lsb": 1.0}))).files
    path = tmp_path / "crosssim.json"
    path.write_text(files["crosssim.json"])
    with pytest.raises(InputError, match="keep crosssim_tile"):
        load_configuration(path)
    (tmp_path / "crosssim_tile.json").write_text(files["crosssim_tile.json"])
    with pytest.raises(InputError, match="level_offset"):
        load_configuration(path)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"forward": 3}'])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"other\.json"):
        load_configuration(path)


def test_gated_cells_are_no_base(tmp_path):
    configuration, _ = exported(probe_of(pair_tile()), "crosssim", tmp_path)
    with pytest.raises(InputError, match="gated_1t1r"):
        tile_file_text(configuration, switch_tile(), "imported")


@dataclass
class Forward:
    inp_res: float = 1 / 254
    mv_type: str = "ONE_PASS"
    ir_drop: float = 1.0
    ir_drop_rs: float = 0.35


@dataclass
class RpuConfig:
    forward: Forward = field(default_factory=Forward)


def test_a_live_rpu_config():
    configuration = configuration_from_rpu_config(RpuConfig())
    assert (configuration.r_bit_line_ohm, configuration.input_bits) == (0.35, 8)
    assert "forward.adc_frequency = 6.24" in configuration.defaults
    with pytest.raises(InputError, match="rpu_config"):
        configuration_from_rpu_config(3)


@pytest.mark.spice
def test_the_check_finds_missing_wires(tmp_path, capsys):
    tile = pair_tile(wires={"r_bit_line_ohm": 20.0}, read_out={"v_clamp_volt": 0.4})
    probe = probe_of(tile)
    right, _ = exported(probe, "crosssim", tmp_path)
    path = tmp_path / "tile.toml"
    limit = "\n[spec]\nmax_error_percent_full_scale = 0.01\n"
    text = tile_file_text(right, tile, "circuit")
    path.write_text(text.split("\n[spec]")[0] + limit)
    store = ["--tile", str(path), "--store", str(tmp_path / "store"), "--vectors", "2"]
    assert main(["check-assumption", str(tmp_path / "crosssim.json"), *store]) == 0
    assert "within the tile's limit" in capsys.readouterr().out
    values = json.loads((tmp_path / "crosssim.json").read_text())
    bare = edited(values, tmp_path, xbar__array__parasitics__enable=False)
    assert main(["check-assumption", str(bare), *store]) == 1
    out = capsys.readouterr().out
    assert "beyond the tile's limit" in out
    ideal, circuit = (next(line for line in out.splitlines() if line.startswith(name)) for name in ("no circ", "its c"))
    assert circuit.split()[-4:] == ideal.split()[-4:]
