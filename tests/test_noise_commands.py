"""Noise on the command line: `noise`, `mvm --noise-seed`, the rows of `budget`."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from reports.budget import error_budget
from reports.noise import noise_lines, output_noise
from tests.conftest import pair_tile, switch_tile
from tests.statistics_bounds import ALPHA, assert_variance
from tests.test_noise_tile import PCM, READ, batch, programmed
from tests.tolerances import relative
from tilemodel.config.load import load_tile
from tilemodel.model import TileModel
from tilemodel.noise.cells import cell_groups
from tilemodel.noise.statistics import read_statistics
from tilemodel_cli.main import main

QUIET = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 6\nn_col = 2\n'
NOISY = QUIET + '[noise]\npreset = "pcm_ibm"\nt_since_programming_second = 3600.0\n'
OPERANDS = ["--weights", "w.npy", "--inputs", "x.npy"]


@pytest.fixture
def folder(tmp_path, rng, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quiet.toml").write_text(QUIET)
    Path("noisy.toml").write_text(NOISY)
    np.save("w.npy", rng.uniform(-1, 1, (6, 2)))
    np.save("x.npy", rng.uniform(-1, 1, (3, 6)))
    return tmp_path


def test_mvm_draws_noise_only_with_a_seed(folder):
    def charges(*arguments):
        assert main(["mvm", *arguments, *OPERANDS, "-o", "out.npz"]) == 0
        return np.load("out.npz")["charge_coulomb"]

    quiet = charges("quiet.toml")
    np.testing.assert_array_equal(charges("noisy.toml"), quiet)
    first = charges("noisy.toml", "--noise-seed", "1")
    provenance = json.loads(str(np.load("out.npz")["provenance"]))
    kept = provenance["noise"]
    assert (kept["method"], kept["draws"], kept["seed"], kept["extrapolated"]) == ("outputs", "per_vector", 1, False)
    assert kept["targets_sha256"] != provenance["conductances_sha256"]
    np.testing.assert_array_equal(charges("noisy.toml", "--noise-seed", "1"), first)
    assert (charges("noisy.toml", "--noise-seed", "2") != first).all()
    assert (charges("noisy.toml", "--noise-seed", "1", "--noise-method", "aihwkit") != first).all()


def test_noise_prints_and_saves_closed_form_and_draws(folder, capsys):
    assert main(["noise", "noisy.toml", *OPERANDS, "--draws", "50", "-o", "noise.npz"]) == 0
    printed = capsys.readouterr().out
    assert "reads of one chip" in printed
    assert "the process has the published sigma(G, t) within 0.0" in printed
    assert "assumed values: noise.t_between_passes_second" in printed
    saved = np.load("noise.npz")
    assert saved["read_variance"].shape == saved["chip_variance_drawn"].shape == (3, 2)
    assert json.loads(str(saved["provenance"]))["n_draw"] == 50


@pytest.mark.spice
def test_noise_also_reads_in_ngspice(folder, capsys):
    Path("noisy.toml").write_text(NOISY + "[drive]\ninput_bits = 4\n")
    assert main(["noise", "noisy.toml", "--draws", "2", "--spice-reads", "16", "-o", "noise.npz"]) == 0
    assert "reads in ngspice" in capsys.readouterr().out
    assert np.load("noise.npz")["spice_variance_drawn"].shape == (1, 2)


def test_what_cannot_be_done_is_told(folder, capsys):
    for command in (["noise", "quiet.toml"], ["mvm", "quiet.toml", "--noise-seed", "1"]):
        operands = OPERANDS if command[0] == "mvm" else []
        assert main([*command, *operands, "-o", "o.npz"]) == 2
        assert 'has no noise; add a table [noise] with preset = "pcm_ibm"' in capsys.readouterr().err
    assert not Path("o.npz").exists()


def test_drawn_variances_are_the_closed_forms():
    tile = pair_tile(noise=PCM)
    result = output_noise(programmed(tile), batch(tile), n_draw=300, seed=5)
    for part, extra in ((result.reads, 0.0), (result.chips, 0.05)):  # drifted cells are log-normal
        assert part.closed_form is not None
        ratio, error = part.ratio()
        assert abs(ratio - 1) < norm.isf(ALPHA / 2) * error + extra
    assert not result.extrapolated


def test_pulses_outside_of_the_laws_durations_are_marked():
    tile = pair_tile(noise=READ, drive={"t_lsb_second": 2e-9})
    result = output_noise(programmed(tile), batch(tile), n_draw=2, seed=5)
    assert result.extrapolated
    assert any("extrapolated" in line for line in noise_lines(result))


def test_a_tile_without_closed_form_is_drawn():
    tile = switch_tile(noise=READ)
    result = output_noise(programmed(tile), np.abs(batch(tile)), n_draw=3, seed=5)
    assert result.reads.closed_form is None
    assert (result.reads.drawn > 0).all()


def test_rows_that_resist_have_a_closed_form_of_their_own():
    tile = pair_tile(noise=READ, wires={"r_driver_ohm": 1000.0})
    result = output_noise(programmed(tile), batch(tile), n_draw=100, seed=5)
    ratio, error = result.reads.ratio()
    assert abs(ratio - 1) < norm.isf(ALPHA / 2) * error
    assert result.chips.closed_form is None


def test_the_budget_has_the_noise_and_nothing_else_changes():
    """The row of read noise against its closed form on an ideal tile; rows of a quiet tile stay as they are."""
    quiet, noisy = (pair_tile(array={"n_row": 64, "n_col": 16}, **more) for more in ({}, {"noise": READ}))
    before, after = error_budget(quiet, n_vec=100), error_budget(noisy, n_vec=100)
    for row in before.rows[:-1]:
        assert after.row(row.name) == row
    names = [row.name for row in after.rows]
    assert names == [*[row.name for row in before.rows[:-1]], "read_noise", "together"]
    together = np.hypot(before.row("together").std_percent, after.row("read_noise").std_percent)
    assert after.row("together").std_percent == relative(together, 0.1)


def test_the_read_noise_of_the_budget_is_the_closed_form():
    from reports.budget_batch import random_batch
    from tilemodel.parameters import parameters_from_tile

    tile = pair_tile(noise=READ, wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.4}, array={"n_row": 32})
    operands = random_batch(tile, parameters_from_tile(tile), 300, 0)
    expected = read_statistics(TileModel(tile, operands.conductances), tile.noise, operands.ticks)
    budget = error_budget(tile, n_vec=300)
    rms = 1e-2 * budget.row("read_noise").std_percent * budget.mac_std_coulomb
    sample = np.full(900, rms)
    sample[::2] *= -1  # a sample of that deviation and as many values as outputs
    assert_variance(sample, np.array(expected.read_variance.mean()), systematic=0.05)


def test_a_day_of_drift_is_a_row_of_the_budget():
    tile = pair_tile(noise={**PCM, "t_since_programming_second": 86400.0}, array={"n_row": 64, "n_col": 16})
    budget = error_budget(tile, n_vec=50)
    assert budget.row("chip").std_percent > 5 * budget.row("read_noise").std_percent
    assert budget.row("chip").std_after_fit_percent < 0.5 * budget.row("chip").std_percent  # drift is mostly a gain


def test_the_example_is_a_noisy_tile():
    tile = load_tile("examples/ibm_pair_64x16_noise.toml")
    assert tile.noise is not None
    assert len(cell_groups(programmed(tile))) == 2
