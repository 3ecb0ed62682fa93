"""Settling as a fit parameter: the bit line's capacitance from windows that cut the tail, the op-amp's speed."""

from pathlib import Path

import numpy as np
import pytest

from calibration.free_parameters import parameter_space
from calibration.measured_fit import fit_measured
from calibration.measured_model import calibrate_measured
from tests.conftest import pair_tile
from tests.test_measured import data_of, exact
from tests.test_measured_lines import covered
from tests.tolerances import relative
from tilemodel.compact import load_model
from tilemodel.config.errors import InputError
from tilemodel_cli.main import main

SIZE = {"n_row": 8, "n_col": 2}
SHORT = {"input_bits": 4}
C, F = "wires.c_bit_line_farad", "read_out.circuit.unity_gain_hertz"
WIRES = {"r_bit_line_ohm": 50.0, "c_bit_line_farad": 30e-15}
CUT = pair_tile(array=SIZE, wires=WIRES, drive=SHORT, read_out={"window": "cut", "t_tail_second": 0.05e-9})
OP_AMP = {
    "kind": "integrator",
    "c_integration_farad": 0.5e-12,
    "open_loop_gain": 1e3,
    "unity_gain_hertz": 3e8,
    "swing_volt": 10.0,
    "r_reset_ohm": 100.0,
}
AMPLIFIED = pair_tile(array=SIZE, drive=SHORT, read_out={"circuit": OP_AMP})


@pytest.mark.parametrize(("tile", "fitted"), [(CUT, [C, "r_bit_line_ohm"]), (AMPLIFIED, [F])], ids=["line", "op-amp"])
def test_what_settles_comes_back_as_surely_as_stated(tile, fitted, rng):
    space = parameter_space(tile, fit=fitted)

    def drawn(rng):
        truth = space.start * rng.uniform(0.9, 1.1, len(fitted))
        return truth, data_of(*space.at(truth), "charge_line_coulomb", 1e-4, rng, n_vec=16)

    covered(drawn, space, rng)


def test_a_fitted_capacitance_stands_in_the_model():
    data = exact(CUT, noise=1e-5, n_vec=20, wires__c_bit_line_farad=40e-15)
    model = calibrate_measured(CUT, data, fit=[C, "v_read_volt"])
    assert model.tile.wires.c_bit_line_farad == relative(40e-15, 0.02)
    assert model.tile.sources[C].kind == "measured"
    without = model.fit.selection.without_one[0]
    assert without.held == {C: 0.0}
    assert not without.suffices


def test_a_second_window_tells_capacitance_and_resistance_apart():
    """The same noise: a window that ends later and one that ends early together know both better than two early."""
    late = CUT.model_copy(update={"read_out": CUT.read_out.model_copy(update={"t_tail_second": 0.5e-9})})
    space = [parameter_space(CUT, fit=[C, "r_bit_line_ohm"], others=[other]) for other in (CUT, late)]
    first = exact(CUT, n_vec=12)
    fits = [
        fit_measured([first, exact(other, seed=4, n_vec=12)], each, n_resample=20)
        for other, each in zip((CUT, late), space, strict=True)
    ]
    assert abs(fits[1].correlation[0, 1]) < abs(fits[0].correlation[0, 1])


def test_a_settled_window_does_not_show_the_capacitance():
    tile = pair_tile(array=SIZE)
    with pytest.raises(InputError, match=r"do not depend on wires.c_bit_line_farad.*a window that cuts the tail"):
        calibrate_measured(tile, exact(tile), fit=[C])


TOML = """
name = "t"
preset = "ibm_pcm_14nm"
[array]
n_row = 8
n_col = 2
[wires]
r_bit_line_ohm = 50.0
c_bit_line_farad = {c}
[drive]
input_bits = 4
[read_out]
window = "cut"
t_tail_second = 0.05e-9
"""


@pytest.mark.spice
def test_ngspice_under_a_window_that_cuts_tells_the_capacitance(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    for name, c in (("tile", 10e-15), ("truth", 30e-15)):
        Path(f"{name}.toml").write_text(TOML.format(c=c))
    np.save("w.npy", rng.uniform(-1, 1, (8, 2)))
    inputs = rng.uniform(-1, 1, (5, 8))
    inputs[:3] = np.sign(inputs[:3])  # the longest pulses, which leave most behind
    np.save("x.npy", inputs)
    files = ["--weights", "w.npy", "--inputs", "x.npy"]
    assert main(["spice", "truth.toml", *files, "-o", "data.npz"]) == 0
    assert main(["calibrate", "tile.toml", "--data", "data.npz", *files, "--fit", C, "-o", "model.json"]) == 0
    model = load_model("model.json")
    assert model.fit.measured.interval_low[0] < 30e-15 < model.fit.measured.interval_high[0]
    assert model.tile.wires.c_bit_line_farad == relative(30e-15, 5e-3)  # a small part of the charge (measured: 0.12 %)
