"""Embed a known truth in traces and tables, recover it within the stated confidence; say what cannot be known."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from calibration.noise_data import NoiseTraces, SigmaTable, read_noise_csv
from calibration.noise_files import noise_preset_text
from calibration.noise_table import fit_table
from calibration.noise_traces import fit_traces
from reports.noise_fit import draw_noise_fit, noise_fit_lines, write_noise_fit
from tests.conftest import switch_tile
from tests.statistics_bounds import ALPHA
from tests.test_budget import compact
from tests.tolerances import relative
from tilemodel.compact import load_model, save_model
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_noise_preset, load_tile
from tilemodel.config.noise import PolynomialReadNoise, PowerLawReadNoise, TelegraphNoise
from tilemodel.noise.read_noise import law_sigma_siemens, read_noise_process, telegraph_process
from tilemodel_cli.main import main

# Estimates are compared with the truth in their own standard errors; the errors themselves are known to about 10 %
N_SIGMA = 1.1 * norm.isf(ALPHA / 2)
DT = 1e-3
UNLIKE = tuple(np.linspace(2e-6, 20e-6, 6).tolist())
ALIKE = (8e-6,) * 4


def pink(**changes):
    values = {
        "kind": "power_law",
        "beta": 1.0,
        "density_slope_per_root_hertz": 1e-3,
        "density_offset_siemens_per_root_hertz": 1e-9,
        "f_reference_hertz": 1.0,
        "f_low_hertz": 1e-5,
        "f_high_hertz": 1e6,
        "t_min_second": 1e-6,
        "t_max_second": 1e5,
    }
    return PowerLawReadNoise(**{**values, **changes})


def traces(law, g=UNLIKE, n=1024, seed=31):
    process = telegraph_process(law) if isinstance(law, TelegraphNoise) else read_noise_process(law)
    mean = np.array(g)
    drawn = process.step_means(mean, DT, n, np.random.default_rng(seed)).T + mean[:, np.newaxis]
    return NoiseTraces(step_second=DT, g_siemens=drawn, name="traces.csv", sha256="0" * 64)


def assert_recovered(estimate, truth):
    assert abs(estimate.value - truth) < N_SIGMA * estimate.standard_error, (estimate, truth)


@pytest.mark.parametrize("beta", [0.6, 1.0, 1.4])
def test_a_power_law_is_recovered_from_traces(beta):
    law = pink(beta=beta)
    fit = fit_traces(traces(law))
    assert isinstance(fit.law, PowerLawReadNoise)
    assert fit.law.f_white_hertz is None
    assert_recovered(fit.parameters["beta"], beta)
    assert fit.parameters["beta"].standard_error < 0.05
    # the amplitude where it is best known, the middle of the frequencies; the law's share by its logit
    middle, g = fit.law.f_reference_hertz, fit.g_reference_siemens
    truth = np.log((1e-9 / g + 1e-3) * middle ** (-beta / 2))
    assert_recovered(fit.parameters["log_root_density"], truth)
    assert_recovered(fit.parameters["offset_share"], np.log(1e-9 / (1e-3 * g)))


def test_white_noise_is_told_from_a_power_law_by_held_out_traces():
    fit = fit_traces(traces(pink(f_white_hertz=20.0)))
    assert isinstance(fit.law, PowerLawReadNoise)
    assert_recovered(fit.parameters["log_f_white"], np.log(20.0))
    score = {item.name: item for item in fit.candidates}
    assert score["power_law"].held_out_score < -3 * score["power_law"].held_out_error


def test_a_telegraph_spectrum_is_told_from_a_power_law():
    law = TelegraphNoise(cell_fraction=1.0, amplitude=0.05, t_high_second=0.05, t_low_second=0.05)
    fit = fit_traces(traces(law))
    assert isinstance(fit.law, TelegraphNoise)
    assert_recovered(fit.parameters["log_amplitude"], np.log(0.05))
    assert_recovered(fit.parameters["log_rate"], np.log(40.0))


def test_stated_errors_are_those_of_repetition():
    """Ten experiments: the exponent's pull (error over stated error) has a standard deviation near one."""
    pulls = []
    for seed in range(10):
        exponent = fit_traces(traces(pink(), ALIKE, n=256, seed=seed)).parameters["beta"]
        pulls.append((exponent.value - 1.0) / exponent.standard_error)
    assert 0.1 < np.std(pulls) < 2.6  # chi with 9 degrees of freedom, at 1e-8 either side
    assert abs(np.mean(pulls)) < N_SIGMA / np.sqrt(10) + 0.1


def test_bands_hold_what_the_truth_expects():
    """sigma about the traces' means: V(t) - V(T). The truth lies within nearly all 95 % bands; these are correlated."""
    law = pink()
    data = traces(law, ALIKE, n=4096)
    curves = fit_traces(data).curves
    process, g = read_noise_process(law), 8e-6
    truth = np.sqrt(process.sigma_siemens(g, curves["t_second"]) ** 2 - process.sigma_siemens(g, 4096 * DT) ** 2)
    scale = curves["sigma"] / truth
    assert (np.abs(scale - 1) < 0.5).all()
    assert (truth > 0.8 * curves["sigma_low"]).all()
    assert (truth < 1.25 * curves["sigma_high"]).all()
    density = process.density(g, curves["f_hertz"])
    inside = (density > curves["density_low"]) & (density < curves["density_high"])
    low = curves["f_hertz"] < 100  # aliasing lifts the rest
    assert inside[low].mean() > 0.8


def test_short_traces_say_what_cannot_be_known():
    short = fit_traces(traces(pink(), g=(5e-6,), n=64))
    text = "\n".join(short.unknown)
    assert "noise slower than the traces (0.064 s) cannot be told" in text
    assert "noise faster than their samples (0.001 s) is not seen" in text
    assert "how noise depends on the conductance: the traces have one" in text
    assert "how devices differ: there is one trace" in text
    assert "too short to determine it" in text
    long = "\n".join(fit_traces(traces(pink())).unknown)
    assert "too short" not in long
    assert "conductance" not in long


TRUTH = PolynomialReadNoise(**load_noise_preset("pcm_ibm")["read"])
GRID = [a.ravel() for a in np.meshgrid([1e-6, 3e-6, 8e-6, 15e-6, 25e-6], np.geomspace(1e-9, 127e-9, 12))]


def table(truth, n_sample, seed=41, g=None):
    conductance, t = GRID if g is None else (np.full(12, g), np.geomspace(1e-9, 127e-9, 12))
    sigma = law_sigma_siemens(truth, conductance, t) if isinstance(truth, PolynomialReadNoise) else None
    if sigma is None:
        sigma = read_noise_process(truth).sigma_siemens(conductance, t)
    drawn = sigma * np.sqrt(np.random.default_rng(seed).chisquare(n_sample - 1, t.size) / (n_sample - 1))
    return SigmaTable(
        g_siemens=conductance,
        t_second=t,
        sigma_siemens=drawn,
        n_sample=np.full(t.size, float(n_sample)),
        name="sigma.csv",
        sha256="0" * 64,
    )


def test_the_published_law_is_recovered_from_a_table():
    """All sigmas of the truth within 1 %, and the coefficients within their errors if the degree is the truth's."""
    fit = fit_table(table(TRUTH, 100_000))
    assert isinstance(fit.law, PolynomialReadNoise)
    g, t = GRID
    np.testing.assert_allclose(fit.process.sigma_siemens(g, t), law_sigma_siemens(TRUTH, g, t), rtol=0.01)
    if len(fit.law.slope) == 5:
        for power in range(5):
            assert_recovered(fit.parameters[f"slope[{power}]"], TRUTH.slope[power])
            assert_recovered(fit.parameters[f"offset_siemens[{power}]"], TRUTH.offset_siemens[power])


def test_a_power_law_is_recovered_from_a_table():
    law = pink(beta=0.8, f_reference_hertz=1e8, density_slope_per_root_hertz=1e-6, f_high_hertz=1e10, f_low_hertz=8e5)
    law = law.model_copy(update={"density_offset_siemens_per_root_hertz": 1e-12})
    fit = fit_table(table(law, 2000))
    assert isinstance(fit.law, PowerLawReadNoise)
    assert_recovered(fit.parameters["beta"], 0.8)


def test_a_table_of_one_conductance_says_so_and_a_tiny_one_is_refused():
    fit = fit_table(table(TRUTH, 1000, g=5e-6))
    assert any("how noise depends on the conductance" in sentence for sentence in fit.unknown)
    few = table(TRUTH, 1000)
    tiny = SigmaTable(
        **{name: getattr(few, name)[:6] for name in ("g_siemens", "t_second", "sigma_siemens")},
        n_sample=None,
        name="sigma.csv",
        sha256="0",
    )
    with pytest.raises(InputError, match="a law needs at least 10 rows at 4 durations"):
        fit_table(tiny)


def write_traces(path, data, unit="conductance_siemens", factor=1.0):
    n_trace, _ = data.g_siemens.shape
    lines = ["time_second," + ",".join(f"{unit}_{i}" for i in range(n_trace))]
    rows = (factor * data.g_siemens.T).tolist()
    lines += [f"{k * DT!r}," + ",".join(map(repr, row)) for k, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")


def test_from_csv_to_a_tile_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_traces(tmp_path / "data.csv", traces(pink(), n=128), "current_ampere", 0.2)
    assert main(["fit-noise", "data.csv", "--v-read", "0.2", "-o", "fitted"]) == 0
    assert "cannot be known from these data" in capsys.readouterr().out
    assert sorted(path.name for path in Path("fitted").iterdir()) == [
        "fit.json", "noise.toml", "sigma.svg", "spectrum.svg",
    ]  # fmt: skip
    tile = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 4\nn_col = 2\n[noise]\npreset = "fitted/noise.toml"\n'
    Path("tile.toml").write_text(tile)
    loaded = load_tile("tile.toml")
    content = json.loads(Path("fitted/fit.json").read_text())
    assert loaded.noise.read.model_dump(mode="json") == content["law"]
    assert loaded.sources["noise.read.beta"].kind == "measured"
    assert loaded.sources["noise.read.f_low_hertz"].kind == "assumed"
    assert "data.csv, sha256" in loaded.sources["noise.read.beta"].source
    before = {path.name: path.read_bytes() for path in Path("fitted").iterdir()}
    assert main(["fit-noise", "data.csv", "--v-read", "0.2", "-o", "fitted"]) == 0
    assert {path.name: path.read_bytes() for path in Path("fitted").iterdir()} == before


def test_the_fitted_law_goes_into_a_compact_model(tmp_path):
    model = compact(switch_tile(), 880.0)
    save_model(model, tmp_path / "model.json")
    fit = fit_table(table(TRUTH, 1000))
    write_noise_fit(fit, tmp_path / "out", load_model(tmp_path / "model.json"))
    noisy = load_model(tmp_path / "out/model.json")
    assert noisy.tile.noise.read == fit.law
    assert noisy.parameters == model.parameters
    assert noisy.tile.technology() == model.tile.technology()
    assert noisy.tile.sources["noise.read.slope"].source == fit.source


def test_a_table_is_read_from_csv_and_drawn(tmp_path):
    data = table(TRUTH, 500)
    rows = zip(data.g_siemens.tolist(), data.t_second.tolist(), data.sigma_siemens.tolist(), strict=True)
    text = "g_siemens,t_second,sigma_siemens,n_sample\n" + "".join(f"{g!r},{t!r},{s!r},500\n" for g, t, s in rows)
    (tmp_path / "sigma.csv").write_text(text)
    read = read_noise_csv(tmp_path / "sigma.csv")
    assert isinstance(read, SigmaTable)
    np.testing.assert_array_equal(read.sigma_siemens, data.sigma_siemens)
    fit = fit_table(read)
    assert set(draw_noise_fit(fit)) == {"sigma"}
    assert any("noise of reads shorter than 1e-09 s" in line for line in noise_fit_lines(fit))
    assert 'kind = "polynomial"' in noise_preset_text(fit) or 'kind = "power_law"' in noise_preset_text(fit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected time_second and traces"),
        ("time_second\n", "needs a line of column names and lines of numbers"),
        ("time_second,conductance_siemens\n0,1\n1,x\n", "line 3: expected 2 numbers"),
        ("time_second,conductance_siemens\n0,1\n1\n", "line 3: expected 2 numbers"),
        ("time_second,conductance_siemens\n0,nan\n", "line 2: holds a value that is not finite"),
        ("time_second,conductance_siemens\n0,1\n1,2\n", "2 samples a trace; a spectrum needs at least 64"),
        ("g_siemens,t_second,sigma_siemens\n1e-6,0,1e-7\n", "t_second must be positive"),
        ("g_siemens,t_second,sigma_siemens,n_sample\n1e-6,1e-9,1e-7,1\n", "n_sample must be at least 2"),
    ],
)
def test_mistakes_in_a_csv_are_told(tmp_path, text, message):
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_noise_csv(tmp_path / "d.csv")


def test_uneven_sampling_and_currents_without_voltage_are_told(tmp_path):
    data = traces(pink(), n=64)
    write_traces(tmp_path / "d.csv", data, "current_ampere")
    with pytest.raises(InputError, match=r"is a current; give the read voltage \(--v-read VOLT\)"):
        read_noise_csv(tmp_path / "d.csv")
    read = read_noise_csv(tmp_path / "d.csv", v_read_volt=0.5)
    assert read.g_siemens[0, 0] == relative(2 * data.g_siemens[0, 0], 1e-9)
    lines = (tmp_path / "d.csv").read_text().splitlines()
    (tmp_path / "d.csv").write_text("\n".join([*lines[:30], *lines[31:], *lines[2:5]]) + "\n")
    with pytest.raises(InputError, match="time_second is not uniform; resample"):
        read_noise_csv(tmp_path / "d.csv", v_read_volt=0.5)
