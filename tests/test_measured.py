"""Calibration against the user's own data: known truths come back, and what the data cannot tell is said."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from calibration.free_parameters import parameter_space
from calibration.measured import MeasuredData, read_measured
from calibration.measured_fit import fit_measured
from calibration.measured_model import calibrate_measured, fit_lines
from calibration.prediction import predicted
from tests.conftest import OHMIC, pair_tile, switch_tile
from tests.tolerances import SPICE_LINEAR, relative
from tilemodel.compact import load_model, save_model
from tilemodel.config.errors import InputError
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.model import TileModel
from tilemodel_cli.main import main

SIZE = {"n_row": 12, "n_col": 4}
DRIVEN = {"v_common_volt": 0.4, "v_read_volt": 0.2, "device": OHMIC}
PAIR = {"kind": "gated_2t1r", **DRIVEN, "access": {"kind": "switch", "r_on_ohm": 880.0}}
LINEAR = {"kind": "linear", "adc_bits": 8, "charge_full_scale_coulomb": 3e-12, "gain": 1.0, "offset_lsb": 0.0}
WITH_CODES = pair_tile(array=SIZE, adc={**LINEAR, "inl_lsb": ()})
CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}
# Tile, what to fit (None: the usual), quantity, noise as a fraction of the largest value
CASES = {
    "rail_pair": (pair_tile(array=SIZE), None, "charge_line_coulomb", 1e-4),
    "rail_quad": (
        pair_tile(array=SIZE, cell={"kind": "rail_quad", **DRIVEN, "significance": 4.0}),
        None,
        "charge_coulomb",
        1e-4,
    ),
    "passive": (pair_tile(array=SIZE, cell={"kind": "passive", **DRIVEN}), None, "charge_line_coulomb", 1e-4),
    "gated_1t1r": (switch_tile(array=SIZE), None, "charge_line_coulomb", 1e-4),
    "gated_2t1r": (
        pair_tile(array=SIZE, cell=PAIR, drive={"t_edge_second": 1e-12}),
        None,
        "charge_line_coulomb",
        1e-4,
    ),
    "codes, linear": (WITH_CODES, ["adc.gain", "adc.offset_lsb"], "code", 0.0),
    "codes, cco": (pair_tile(array=SIZE, adc=CCO), ["adc.f_hertz_per_ampere", "v_clamp_volt"], "code", 0.0),
}


def data_of(tile, parameters, quantity, noise, rng, n_vec=10):
    """What a tile of these values gives for random operands, the first vector at rest."""
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, n_vec)
    ticks[0] = 0
    output = TileModel(tile, conductances, parameters).mvm(ticks)
    values = np.asarray(getattr(output, quantity), dtype=float)
    values = values + noise * np.abs(values).max() * rng.standard_normal(values.shape)
    return MeasuredData(name="data", quantity=quantity, values=values, conductances=conductances, ticks=ticks)


def exact(tile, quantity="charge_line_coulomb", noise=1e-4, seed=3, n_vec=10, **truth):
    """Data of `tile` with values of its model changed to `truth`."""
    truth = {name.replace("__", "."): value for name, value in truth.items()}
    space = parameter_space(tile, fix=truth)
    return data_of(space.tile, space.parameters, quantity, noise, np.random.default_rng(seed), n_vec)


@pytest.mark.parametrize("name", CASES)
def test_intervals_cover_random_truths_as_often_as_they_say(name, rng):
    """The contract: random truths over 100 trials. 95 % intervals, by t and by resampling, cover in 90 to 99 % of all
    parameters' trials; each parameter on its own within what chance allows (1e-4 a tail)."""
    tile, fitted, quantity, noise = CASES[name]
    space = parameter_space(tile, fit=fitted)
    n_trial = 100
    by_t, by_resampling = np.zeros((2, len(space.names)))
    for _ in range(n_trial):
        truth = (space.start + 0.1 * (space.start == 0)) * rng.uniform(0.9, 1.1, len(space.names))
        fit = fit_measured(data_of(*space.at(truth), quantity, noise, rng), space, n_resample=100)
        assert fit.at_bound == ()
        for count, (low, high) in ((by_t, fit.interval), (by_resampling, fit.resampled)):
            count += (low <= truth * space.scale) & (truth * space.scale <= high)
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], n_trial, 0.95)
    for count in (by_t, by_resampling):
        assert 0.90 <= count.mean() / n_trial <= 0.99, count
        assert np.all((low <= count) & (count <= high)), count


def test_without_noise_the_truth_comes_back_and_its_error_is_not_zero():
    tile = CASES["gated_1t1r"][0]
    fit = calibrate_measured(tile, exact(tile, noise=0.0, r_access_ohm=950.0, r_bit_line_ohm=2.5)).fit
    values = dict(zip(fit.fitted, fit.measured.value, strict=True))
    assert values["r_access_ohm"] == relative(950.0, 1e-6)
    assert values["r_bit_line_ohm"] == relative(2.5, 1e-6)
    assert all(error > 0 for error in fit.standard_error)


def test_a_chosen_subset_is_fitted_and_the_rest_stays():
    tile = CASES["gated_1t1r"][0]
    data = exact(tile, r_access_ohm=950.0, r_bit_line_ohm=2.5)
    model = calibrate_measured(tile, data, fit=["r_access_ohm"], fix={"r_bit_line_ohm": 2.5})
    assert model.fit.fitted == ["r_access_ohm"]
    assert model.parameters.r_access_ohm == relative(950.0, 0.01)
    assert model.parameters.r_bit_line_ohm == 2.5
    assert model.fit.measured.fixed == {"r_bit_line_ohm": 2.5}
    wrong = calibrate_measured(tile, data, fit=["r_access_ohm"], fix={"r_bit_line_ohm": 30.0})
    assert wrong.fit.residual_rms_coulomb > 2 * model.fit.residual_rms_coulomb


def test_a_parameter_at_its_bound_has_no_error_and_says_so(tmp_path):
    tile = CASES["rail_pair"][0]
    data = exact(tile, r_bit_line_ohm=2.5)
    model = calibrate_measured(tile, data, bound={"r_bit_line_ohm": (0.0, 2.0)})
    index = model.fit.fitted.index("r_bit_line_ohm")
    assert model.fit.measured.at_bound == ["r_bit_line_ohm"]
    assert model.parameters.r_bit_line_ohm == 2.0
    assert model.fit.standard_error[index] is None
    assert model.fit.measured.resampled_low[index] is None
    others = [error for place, error in enumerate(model.fit.standard_error) if place != index]
    assert len(others) == 2
    assert all(error > 0 for error in others)
    assert any("r_bit_line_ohm" in line and "at its bound" in line for line in fit_lines(model))
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    with pytest.raises(InputError, match=r"every parameter ended at its bound \(r_bit_line_ohm\)"):
        calibrate_measured(tile, data, fit=["r_bit_line_ohm"], bound={"r_bit_line_ohm": (0.0, 2.0)})


@pytest.mark.parametrize(
    ("tile", "fit", "names", "experiment"),
    [
        (
            pair_tile(array=SIZE, adc={**LINEAR, "inl_lsb": ()}, read_out={"v_clamp_volt": 0.4}),
            ["v_read_volt", "adc.gain"],
            "v_read_volt and adc.gain",
            "little but their product acts",
        ),
        (
            pair_tile(array=SIZE, read_out={"circuit": {"kind": "resistive", "r_clamp_ohm": 20.0}}),
            ["wires.r_terminal_ohm", "read_out.circuit.r_clamp_ohm"],
            "wires.r_terminal_ohm and read_out.circuit.r_clamp_ohm",
            "they are in series",
        ),
        (
            switch_tile(array=SIZE, wires={"r_bit_line_ohm": 0.0}),
            ["q_pulse_coulomb", "c_pulse_farad"],
            "q_pulse_coulomb and c_pulse_farad",
            "a second clamp voltage",
        ),
    ],
)
def test_what_the_data_cannot_separate_is_named_with_the_experiment_that_would(tile, fit, names, experiment):
    with pytest.raises(InputError, match=f"cannot tell {names} apart.*{experiment}"):
        calibrate_measured(tile, exact(tile, "code" if "adc.gain" in fit else "charge_coulomb"), fit=fit)


def test_a_parameter_that_the_data_do_not_show_is_named():
    tile = CASES["rail_pair"][0]
    data = exact(tile)
    silent = MeasuredData(**{**vars(data), "ticks": np.zeros_like(data.ticks)})
    with pytest.raises(InputError, match=r"do not depend on v_read_volt; leave it out\. .* more vectors"):
        calibrate_measured(tile, silent, fit=["v_read_volt"])


def test_nearly_equal_lines_leave_parameters_hardly_separated(rng):
    """All cells at one conductance but for a thousandth: a charge and one in proportion to conductance are alike."""
    tile = switch_tile(array=SIZE, wires={"r_bit_line_ohm": 0.0})
    start = parameter_space(tile)
    data = data_of(start.tile, start.parameters, "charge_line_coulomb", 1e-4, rng)
    for values in data.conductances.arrays().values():
        values[:] = 10e-6 * (1 + 1e-3 * np.arange(4))
    truth = predicted(start.tile, start.parameters, data)
    data.values[:] = truth + 1e-4 * truth.max() * rng.standard_normal(truth.shape)
    model = calibrate_measured(tile, data, fit=["q_pulse_coulomb", "q_pulse_coulomb_per_siemens"])
    ((first, second, correlation),) = model.fit.measured.hardly_separated
    assert (first, second) == ("q_pulse_coulomb", "q_pulse_coulomb_per_siemens")
    assert correlation < -0.995
    assert any("bit lines that hold different conductances" in line for line in fit_lines(model))


def test_residuals_show_the_column_and_the_row_that_differ():
    tile = CASES["rail_pair"][0]
    data = exact(tile, noise=0.0)
    full = np.abs(data.values).max()
    data.values[:, 2] += 0.01 * full
    data.values[:] += 0.02 * full * data.ticks[:, 5:6] / 127
    more = calibrate_measured(tile, data, fit=["v_read_volt"]).fit.measured
    assert int(np.argmax(np.abs(more.column_mean))) == 2
    assert int(np.argmax(np.abs(more.row_slope))) == 5
    assert more.row_slope[5] == relative(-0.02 * full, 0.5)


def test_saturated_codes_are_left_out(rng):
    tile = pair_tile(array=SIZE, adc={**LINEAR, "charge_full_scale_coulomb": 0.7e-12, "inl_lsb": ()})
    space = parameter_space(tile, fix={"adc.gain": 1.05})
    data = data_of(space.tile, space.parameters, "code", 0.0, rng, n_vec=30)
    assert (np.abs(data.values) == 127).any()
    model = calibrate_measured(tile, data, fit=["adc.gain", "adc.offset_lsb"])
    assert model.fit.measured.n_saturated > 0
    assert model.tile.adc.gain == relative(1.05, 0.01)
    assert model.tile.sources["adc.gain"].source == "fitted to data"
    assert model.fit.measured.largest < 0.75  # rounding is half a step, and the gain has its error
    assert TileModel(tile, data.conductances).mvm(data.ticks).code[1:].tolist() != data.values[1:].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": ["r_bit_line"]}, "did you mean 'r_bit_line_ohm'"),
        ({"fit": ["v_read_volt"], "fix": {"v_read_volt": 0.2}}, "both to be fitted and fixed"),
        ({"fit": ["v_read_volt"], "bound": {"r_bit_line_ohm": (0, 1)}}, "has a bound but is not fitted"),
        ({"bound": {"r_bit_line_ohm": (3.0, 1.0)}}, "must be smaller"),
        ({"bound": {"r_bit_line_ohm": (-3.0, -1.0)}}, "holds no possible value"),
        ({"fit": []}, "nothing is left to fit"),
        ({"fix": {"r_bit_line_ohm": -1.0}}, "r_bit_line_ohm is -1, which cannot be"),
    ],
)
def test_contradictions_are_refused(options, message):
    tile = CASES["rail_pair"][0]
    with pytest.raises(InputError, match=message):
        calibrate_measured(tile, exact(tile), **options)


def test_too_few_outputs_are_refused():
    tile = CASES["rail_pair"][0]
    data = exact(tile)
    data.values[:] = np.where(np.arange(data.values.size).reshape(data.values.shape) < 3, data.values, np.nan)
    with pytest.raises(InputError, match="3 outputs cannot determine 3 parameters"):
        calibrate_measured(tile, data)


TOML = """
name = "mine"
preset = "ibm_pcm_14nm"
[array]
n_row = 12
n_col = 3
[wires]
r_bit_line_ohm = {r}
"""


@pytest.fixture
def files(tmp_path, monkeypatch, rng):
    """The user's tile file, whose wires are wrong, and the operands."""
    monkeypatch.chdir(tmp_path)
    Path("tile.toml").write_text(TOML.format(r=20.0))
    Path("truth.toml").write_text(TOML.format(r=50.0))
    np.save("w.npy", rng.uniform(-1, 1, (12, 3)))
    np.save("x.npy", rng.uniform(-1, 1, (8, 12)))
    return ["--weights", "w.npy", "--inputs", "x.npy"]


@pytest.mark.spice
def test_the_npz_of_spice_calibrates_the_wires(files, capsys):
    """The whole way: another circuit's charges, from ngspice, tell the resistance that the tile file has wrong."""
    assert main(["spice", "truth.toml", *files, "-o", "data.npz"]) == 0
    fit = ["--fit", "r_bit_line_ohm", "v_read_volt", "--bound", "r_bit_line_ohm=1:1e3"]
    assert main(["calibrate", "tile.toml", "--data", "data.npz", *files, *fit, "-o", "model.json"]) == 0
    model = load_model("model.json")
    assert model.parameters.r_bit_line_ohm == relative(50.0, 1e-3)
    printed = capsys.readouterr().out
    assert "r_bit_line_ohm" in printed
    assert "95 % interval" in printed
    assert main(["mvm", "model.json", *files, "-o", "fast.npz"]) == 0
    spice, fast = (np.load(name)["charge_coulomb"] for name in ("data.npz", "fast.npz"))
    assert np.abs(spice - fast).max() < SPICE_LINEAR * np.abs(spice).max()


def test_a_csv_and_an_npz_of_the_same_data_give_the_same_fit(files):
    assert main(["mvm", "truth.toml", *files, "-o", "out.npz"]) == 0
    charge = np.load("out.npz")["charge_coulomb"]
    lines = [f"{i},{j},{float(charge[i, j])!r}" for i, j in np.ndindex(charge.shape) if (i, j) != (3, 1)]
    Path("data.csv").write_text("\n".join(["vector,column,charge_coulomb", *lines]) + "\n")
    charge[3, 1] = np.nan
    np.savez("data.npz", charge_coulomb=charge, weights=np.load("w.npy"), inputs=np.load("x.npy"))
    fix = ["--fix", "v_clamp_volt=0.4005"]
    for name, operands in (("data.csv", files), ("data.npz", [])):
        model = f"{name}.json"
        assert main(["calibrate", "tile.toml", "--data", name, *operands, *fix, "-o", model]) == 0
    csv, npz = (json.loads(Path(f"data.{kind}.json").read_text()) for kind in ("csv", "npz"))
    assert csv["fit"] == npz["fit"]
    assert csv["fit"]["n_observation"] == 23
    assert csv["provenance"]["data_sha256"] == npz["provenance"]["data_sha256"]
    assert csv["parameters"]["r_bit_line_ohm"] == relative(50.0, 1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vector,column,current\n", "expected columns vector"),
        ("vector,column,charge_coulomb\n0,3,1e-12\n", r"line 2: column: expected a whole number from 0 to 2, got '3'"),
        ("vector,column,charge_coulomb\n0,0,1e-12\n0,0,1e-12\n", "line 3: vector 0, column 0 was given before"),
        ("vector,column,charge_coulomb\n0,0,none\n", "line 2: charge_coulomb: expected a number, got 'none'"),
        ("vector,column,charge_coulomb\n0\n", "line 2: column: expected a whole number"),
        ("vector,column,charge_coulomb\n", "holds no measured value"),
        ("vector,line,code\n0,9,1\n", "line 2: line: expected a whole number from 0 to 2"),
        ("\x00\xff", "data.csv"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line(files, text, message, capsys):
    Path("data.csv").write_text(text, encoding="latin-1")
    assert main(["calibrate", "tile.toml", "--data", "data.csv", *files, "-o", "model.json"]) == 2
    assert message.split("'")[0].replace("\\", "") in capsys.readouterr().err
    assert not Path("model.json").exists()


def test_data_that_do_not_fit_are_refused(files):
    from tilemodel.config.load import load_tile

    tile = load_tile("tile.toml")
    np.savez("data.npz", charge_coulomb=np.zeros((8, 2)))
    with pytest.raises(InputError, match="no conductances"):
        read_measured(tile, "data.npz")
    with pytest.raises(InputError, match=r"charge_coulomb: expected \[n_vec, n_col\] = \[8, 3\], got \[8, 2\]"):
        read_measured(tile, "data.npz", weights="w.npy", inputs="x.npy")
    with pytest.raises(InputError, match="expected code"):
        read_measured(tile, "data.npz", weights="w.npy", inputs="x.npy", quantity="code")


def test_options_of_data_need_data(files, capsys):
    assert main(["calibrate", "tile.toml", "--fit", "v_read_volt", "-o", "model.json"]) == 2
    assert "--fit belongs to a calibration against your own data" in capsys.readouterr().err
