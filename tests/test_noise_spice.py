"""Noisy transients in ngspice: the statistics of the charge are the model's, over 640 reads of each tile.

The model: effective matrix and closed-form variances. ngspice: conductances that move while the pulses last.
"""

import numpy as np
import pytest

from spice_netlists.noise import simulate_noise
from tests.conftest import pair_tile, switch_tile
from tests.statistics_bounds import assert_correlation, assert_mean, assert_variance
from tests.tolerances import SPICE_LINEAR
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_noise_preset
from tilemodel.config.operands import Conductances
from tilemodel.model import TileModel
from tilemodel.noise.statistics import read_statistics

pytestmark = pytest.mark.spice

PCM = load_noise_preset("pcm_ibm")
READ = {name: PCM[name] for name in ("t_since_programming_second", "t_between_passes_second", "read")}
SMALL = {"n_row": 5, "n_col": 2}
CASES = {
    "conventional": {"drive": {"input_bits": 4}},
    "split": {"drive": {"input_bits": 5, "coding": "split", "split_low_bits": 2}},
}


def operands(tile, seed=21):
    rng = np.random.default_rng(seed)
    pairs = rng.uniform(1e-6, 2.5e-5, (2, tile.array.n_row, tile.array.n_col))
    n_max = tile.drive.n_tick_max
    ticks = np.array([[n_max, -3, 2 - n_max, 1, 4]])
    return Conductances(g_plus=pairs[0], g_minus=pairs[1]), ticks


@pytest.mark.parametrize("name", CASES)
def test_charges_of_noisy_transients_have_the_models_statistics(name):
    tile = pair_tile(noise=READ, array=SMALL, wires={"r_bit_line_ohm": 20.0}, **CASES[name])
    conductances, ticks = operands(tile)
    expected = read_statistics(TileModel(tile, conductances), tile.noise, ticks)
    result = simulate_noise(tile, conductances, ticks, n_read=640, rng=np.random.default_rng(22))
    charge = result.charge_line_coulomb
    assert charge.shape == (640, 2)
    assert_mean(charge, expected.mean_coulomb[0], expected.sigma_coulomb[0])
    # edges of 50 ps of ticks of 1 ns weigh the noise a little otherwise than steep ones: below 1 % of the variance
    assert_variance(charge, expected.read_variance[0], systematic=0.01)
    assert_correlation(charge[:, 0], charge[:, 1], 0.0)


def test_without_noise_to_speak_of_the_transient_is_the_quiet_one():
    """The same deck with 1e-9 of the noise: the behavioural cells are resistors."""
    quiet = {**READ["read"], "slope": (1e-11,), "offset_siemens": (0.0,)}
    tile = pair_tile(noise={**READ, "read": quiet}, array=SMALL, drive={"input_bits": 4})
    conductances, ticks = operands(tile)
    charge = simulate_noise(tile, conductances, ticks, n_read=2, rng=np.random.default_rng(23)).charge_line_coulomb
    expected = TileModel(tile, conductances).charges(ticks)
    assert np.abs(charge - expected).max() < SPICE_LINEAR * np.abs(expected).max()


def test_finer_intervals_and_telegraph_noise_run_too():
    trap = {"cell_fraction": 1.0, "amplitude": 0.2, "t_high_second": 2e-9, "t_low_second": 2e-9}
    tile = pair_tile(noise={**READ, "read": None, "telegraph": trap}, array=SMALL, drive={"input_bits": 4})
    conductances, ticks = operands(tile)
    result = simulate_noise(tile, conductances, ticks, n_read=64, rng=np.random.default_rng(24), intervals_per_tick=4)
    expected = read_statistics(TileModel(tile, conductances), tile.noise, ticks)
    # sums of ten cells that jump: nearly normal; 64 reads have wide bounds
    assert_variance(result.charge_line_coulomb, expected.read_variance[0], systematic=0.05)


def test_what_noisy_transients_do_not_cover_is_refused(rng):
    tile = switch_tile(noise=READ, array=SMALL)
    conductances, ticks = operands(tile)
    with pytest.raises(InputError, match="for driven cells with Ohmic memory elements, not for gated_1t1r"):
        simulate_noise(tile, conductances, np.abs(ticks), n_read=1, rng=rng)
    quiet = pair_tile(array=SMALL)
    with pytest.raises(InputError, match="has no read noise"):
        simulate_noise(quiet, conductances, ticks, n_read=1, rng=rng)
    noisy = pair_tile(noise=READ, array=SMALL)
    with pytest.raises(InputError, match="one input vector, got 2"):
        simulate_noise(noisy, conductances, np.repeat(ticks, 2, axis=0), n_read=1, rng=rng)
