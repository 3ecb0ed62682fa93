"""Fits of each line's converter, of tied parameters, and of several data sets together."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from calibration.free_parameters import parameter_space
from calibration.measured_fit import fit_measured
from calibration.measured_model import calibrate_measured, fit_lines
from calibration.ties import Tie
from tests.conftest import pair_tile, switch_tile
from tests.test_measured import LINEAR, SIZE, data_of, exact
from tests.tolerances import relative
from tilemodel.compact import load_model, save_model
from tilemodel.config.errors import InputError
from tilemodel_cli.main import main

CODES = pair_tile(array={**SIZE, "n_col": 3}, adc={**LINEAR, "charge_full_scale_coulomb": 0.5e-12, "inl_lsb": ()})
LINES = ["adc.gain_line", "adc.offset_line_lsb", "adc.inl_line_lsb"]
CHARGES = pair_tile(array=SIZE)
PASSIVE = pair_tile(
    array=SIZE,
    cell={"kind": "passive", "v_common_volt": 0.4, "v_read_volt": 0.2},
    wires={"r_row_ohm": 4.0},
)


def covered(spaces_and_data, space, rng, n_trial=100):
    """Over all trials and parameters the 95 % intervals cover in 90 to 99 %, each parameter within chance (1e-4)."""
    count = np.zeros(len(space.names))
    for _ in range(n_trial):
        truth, data = spaces_and_data(rng)
        fit = fit_measured(data, space, n_resample=20)
        count += (fit.interval[0] <= truth * space.scale) & (truth * space.scale <= fit.interval[1])
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], n_trial, 0.95)
    assert 0.90 <= count.mean() / n_trial <= 0.99, count
    assert np.all((low <= count) & (count <= high)), count


def test_gain_offset_and_inl_of_each_line_come_back_as_surely_as_stated(rng):
    space = parameter_space(CODES, fit=LINES, inl_knots=4)
    assert len(space.names) == 3 * (1 + 1 + 2)

    def drawn(rng):
        truth = space.start + np.where(space.start == 1, 0.02, 0.6) * rng.standard_normal(space.start.size)
        tile, parameters = space.at(truth)
        return truth, data_of(tile, parameters, "code", 0.0, rng, n_vec=60)

    covered(drawn, space, rng)


def test_the_model_keeps_the_lines_and_says_whether_they_differ(tmp_path, rng):
    truth = pair_tile(
        array={**SIZE, "n_col": 3},
        adc={**LINEAR, "charge_full_scale_coulomb": 0.5e-12, "inl_lsb": (), "gain_line": [0.95, 1.0, 1.06]},
    )
    space = parameter_space(truth, fit=["adc.gain"])
    data = data_of(*space.at(space.start), "code", 0.0, rng, n_vec=40)
    model = calibrate_measured(CODES, data, fit=["adc.gain_line", "adc.offset_line_lsb"])
    assert model.tile.adc.gain_line == relative((0.95, 1.0, 1.06), 0.01)
    assert model.tile.sources["adc.gain_line"].kind == "measured"
    gains, offsets = model.fit.selection.without_one
    assert not gains.suffices
    assert set(offsets.held) == {f"adc.offset_line_lsb[{line}]" for line in range(3)}
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model


def test_offsets_of_two_lines_need_the_lines_own_codes(rng):
    tile = switch_tile(array={**SIZE, "n_col": 2}, adc={**LINEAR, "charge_full_scale_coulomb": 4e-12, "inl_lsb": ()})
    space = parameter_space(tile)
    column = data_of(space.tile, space.parameters, "code", 0.0, rng, n_vec=30)
    column.values[0] = np.nan  # at rest a negative offset would show: unsigned converters end at 0
    with pytest.raises(InputError, match=r"cannot tell adc.offset_line_lsb.* apart.*code_line"):
        calibrate_measured(tile, column, fit=["adc.offset_line_lsb"])
    half = {f"adc.offset_line_lsb[{line}]": 0.0 for line in (1, 3)}
    fitted = calibrate_measured(tile, column, fit=["adc.offset_line_lsb"], fix=half).fit.fitted
    assert fitted == ["adc.offset_line_lsb[0]", "adc.offset_line_lsb[2]"]


def test_a_common_gain_and_gains_of_all_lines_are_named(rng):
    data = exact(CODES, "code", noise=0.0, n_vec=30)
    with pytest.raises(InputError, match=r"adc.gain and adc.gain_line\[0..2\] apart.*their product"):
        calibrate_measured(CODES, data, fit=["adc.gain", "adc.gain_line"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": ["adc.gain_line[3]"]}, "has 3 bit lines, 0 to 2"),
        ({"fit": ["adc.inl_line_lsb[0][0]"]}, "only the knots 1 to 3 are free"),
        ({"fit": ["adc.inl_line_lsb"], "inl_knots": 2}, "3 knots at least"),
        ({"fit": ["adc.gain"], "tie": {"adc.gain": Tie(source="adc.gain")}}, "fitted and fixed or tied"),
        ({"fit": ["adc.gain"], "tie": {"adc.offset_lsb": Tie(source="v_read_volt")}}, "which is not fitted"),
        ({"fit": ["adc.gain"], "tie": {"adc.offset_lsb": Tie(source="adc.gain", ratio=0.0)}}, "fix it at 0"),
        ({"fit": ["adc.gain"], "per_set": ["adc.gain"]}, "and there is one"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        calibrate_measured(CODES, exact(CODES, "code"), **options)


def test_tied_wires_come_back_as_surely_as_stated(rng):
    """Rows and bit lines of one metal: one resistance, rows 2 x as long a cell."""
    space = parameter_space(
        PASSIVE, fit=["r_bit_line_ohm", "v_read_volt"], tie={"r_row_ohm": Tie(source="r_bit_line_ohm", ratio=2.0)}
    )

    def drawn(rng):
        truth = space.start * rng.uniform(0.9, 1.1, 2)
        tile, parameters = space.at(truth)
        assert parameters.r_row_ohm == 2.0 * parameters.r_bit_line_ohm
        return truth, data_of(tile, parameters, "charge_line_coulomb", 1e-4, rng, n_vec=5)

    covered(drawn, space, rng)


def test_a_tie_stands_in_the_model(tmp_path):
    data = exact(PASSIVE, noise=1e-5, r_bit_line_ohm=3.0, r_row_ohm=6.0)
    tie = {"r_row_ohm": Tie(source="r_bit_line_ohm", ratio=2.0)}
    model = calibrate_measured(PASSIVE, data, fit=["r_bit_line_ohm"], tie=tie)
    assert model.parameters.r_row_ohm == 2.0 * model.parameters.r_bit_line_ohm
    assert model.parameters.r_row_ohm == relative(6.0, 0.01)
    assert model.fit.measured.tied["r_row_ohm"].source == "r_bit_line_ohm"
    assert any("2 x r_bit_line_ohm" in line for line in fit_lines(model))


def test_two_sets_of_unlike_scatter_cover_as_stated(rng):
    """Another size, temperature and noise; the wire's temperature coefficient is the tile file's."""
    hot = pair_tile(array={"n_row": 24, "n_col": 2}, conditions={"temperature_celsius": 85.0})
    space = parameter_space(CHARGES, fit=["r_bit_line_ohm", "v_clamp_volt"], per_set=["v_clamp_volt"], others=[hot])
    assert space.names == ("r_bit_line_ohm", "v_clamp_volt", "v_clamp_volt@2")

    def drawn(rng):
        truth = space.start * rng.uniform(0.99, 1.01, 3)
        points = space.points(truth)
        noises = zip(points, (1e-5, 1e-3), strict=True)
        return truth, [data_of(*point, "charge_line_coulomb", noise, rng, n_vec=8) for point, noise in noises]

    points = space.points(space.start)
    assert points[1][1].r_bit_line_ohm / points[0][1].r_bit_line_ohm == relative(1 + 0.00451 * 58, 1e-9)
    covered(drawn, space, rng)


def test_sets_of_another_technology_are_refused():
    other = pair_tile(array=SIZE, wires={"r_terminal_ohm": 5.0})
    with pytest.raises(InputError, match=r"wires.r_terminal_ohm = 5.0, but 0.0.*one technology"):
        calibrate_measured(CHARGES, exact(CHARGES), others=[(other, exact(other))])


def test_sets_and_ties_on_the_command_line(tmp_path, monkeypatch, rng, capsys):
    monkeypatch.chdir(tmp_path)
    text = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = {}\nn_col = 3\n'
    for name, n_row in (("a", 8), ("b", 20)):
        Path(f"{name}.toml").write_text(text.format(n_row))
        w, x = rng.uniform(-1, 1, (n_row, 3)), rng.uniform(-1, 1, (6, n_row))
        np.save("w.npy", w)
        np.save("x.npy", x)
        assert main(["mvm", f"{name}.toml", "--weights", "w.npy", "--inputs", "x.npy", "-o", "out.npz"]) == 0
        np.savez(f"{name}.npz", charge_coulomb=np.load("out.npz")["charge_coulomb"], weights=w, inputs=x)
    data = ["--data", "a.npz", "--data", "b.npz", "--data-tile", "b.toml", "--fit", "r_bit_line_ohm"]
    assert main(["calibrate", "a.toml", *data, "-o", "model.json"]) == 0
    assert [item.name for item in load_model("model.json").fit.measured.sets] == ["a.npz", "b.npz"]
    assert "b.npz: 18 outputs" in capsys.readouterr().out
    wrong = [*data, "--data-tile", "b.toml"]
    assert main(["calibrate", "a.toml", *wrong, "-o", "model.json"]) == 2
