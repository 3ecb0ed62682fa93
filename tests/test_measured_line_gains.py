"""From ngspice's npz to a model: gains and offsets of each line's converter come back, on the command line."""

from pathlib import Path

import numpy as np
import pytest

from calibration.resampling import resampled_interval
from tests.tolerances import relative
from tilemodel.compact import load_model
from tilemodel_cli.main import main

TOML = """
name = "t"
preset = "ibm_pcm_14nm"
[array]
n_row = 8
n_col = 3
[adc]
kind = "linear"
adc_bits = 8
charge_full_scale_coulomb = 2e-12
"""
GAIN, OFFSET = [0.9, 1.0, 1.07], [3.0, 0.0, -2.0]


@pytest.mark.spice
def test_codes_of_ngspice_give_the_lines_converters(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    plain = TOML + "gain = 1.0\noffset_lsb = 0.0\ninl_lsb = []\n"
    Path("tile.toml").write_text(plain)
    Path("truth.toml").write_text(f"{plain}gain_line = {GAIN}\noffset_line_lsb = {OFFSET}\n")
    np.save("w.npy", rng.uniform(-1, 1, (8, 3)))
    np.save("x.npy", rng.uniform(-1, 1, (12, 8)))
    files = ["--weights", "w.npy", "--inputs", "x.npy"]
    assert main(["spice", "truth.toml", *files, "-o", "data.npz"]) == 0
    fit = ["--quantity", "code", "--fit", "adc.gain_line", "adc.offset_line_lsb"]
    assert main(["calibrate", "tile.toml", "--data", "data.npz", *files, *fit, "-o", "model.json"]) == 0
    model = load_model("model.json")
    error = np.array(model.fit.standard_error)
    assert np.all(error > 0)
    assert np.all(np.abs(np.array(model.fit.measured.value) - [*GAIN, *OFFSET]) < 4 * error)
    assert error.max() < 1.0
    assert model.fit.measured.n_saturated == 0
    assert main(["mvm", "model.json", *files, "-o", "fast.npz"]) == 0
    assert main(["mvm", "tile.toml", *files, "-o", "plain.npz"]) == 0
    spice, fast, unfitted = (np.load(f"{name}.npz")["code"] for name in ("data", "fast", "plain"))
    assert np.abs(fast - spice).max() <= 1
    assert np.abs(unfitted - spice).max() > 3


def test_draws_that_miss_a_line_make_its_interval_wider_or_unknown(rng):
    """Two parameters: one in every output, the other in few of 30. A draw misses all of 3 with a chance of 4 %."""
    found = {}
    for n_few in (3, 2, 12):
        jacobian = np.stack([np.ones(30), np.arange(30) < n_few], axis=1)
        residual = 1e-3 * rng.standard_normal(30)
        covariance = np.linalg.inv(jacobian.T @ jacobian)
        found[n_few] = resampled_interval(jacobian, residual, covariance, 0.95, 2000, np.random.default_rng(1))
    for n_few, ends in found.items():
        assert np.isfinite(ends[:, 0]).all()
        assert np.isfinite(ends[:, 1]).all() == (n_few == 12)
    sigma = 1e-3 * np.sqrt(1 / 12 + 1 / 18)
    assert found[12][1, 1] - found[12][0, 1] == relative(2 * 1.96 * sigma, 0.5)
