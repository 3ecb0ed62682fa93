"""Noise of a tile's outputs: closed form, cell by cell and solved anew agree; what shares noise is correlated."""

import numpy as np
import pytest

from tests.conftest import pair_mapping, pair_tile, switch_tile
from tests.statistics_bounds import assert_correlation, assert_mean, assert_variance
from tests.tolerances import ROUNDING, relative
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_noise_preset, load_tile, tile_from_mapping
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances, conductances_from_weights
from tilemodel.config.passes import tile_passes
from tilemodel.model import TileModel
from tilemodel.noise.aihwkit_law import aihwkit_read
from tilemodel.noise.cells import cell_groups
from tilemodel.noise.crosstalk import read_covariance
from tilemodel.noise.noisy_tile import NoisyTile, noisy_tile
from tilemodel.noise.read_noise import law_sigma_siemens, read_noise_process, tile_process
from tilemodel.noise.statistics import chip_statistics, pass_covariance, read_statistics
from tilemodel.noise.timing import ReadWindows

PCM = load_noise_preset("pcm_ibm")
READ = {name: PCM[name] for name in ("t_since_programming_second", "t_between_passes_second", "read")}
PASSIVE = {"kind": "passive", "v_common_volt": 0.4, "v_read_volt": 0.2}
QUAD = {"kind": "rail_quad", "v_common_volt": 0.4, "v_read_volt": 0.2, "significance": 4.0}
OHMIC = {"device": {"kind": "linear", "polarity_asymmetry": 0.0}}
MIRROR = {"kind": "mirror", "r_clamp_ohm": 50.0, "ratio": 0.25, "c_integration_farad": 1e-12, "r_reset_ohm": 1.0}
# A cell at the mean of its own noise: what deviations of 3 to 5 % do to a line's transfer, in its second moments
SECOND_ORDER = 0.02

KINDS = {
    "pair": {},
    "split": {"drive": {"coding": "split", "split_low_bits": 3}},
    "bit_wise": {"drive": {"coding": "bit_wise"}},
    "two_phase": {"drive": {"sign": "two_phase"}},
    "amplitude": {"drive": {"coding": "amplitude"}},
    "passive": {"cell": {**PASSIVE, **OHMIC}},
    "quad": {"cell": {**QUAD, **OHMIC}},
    "mirror": {"read_out": {"circuit": MIRROR}},
}


def noisy(noise=READ, **tables):
    return pair_tile(noise=noise, **tables)


def programmed(tile, seed=3):
    """Conductances well above 0, so that no draw is cut there."""
    rng = np.random.default_rng(seed)
    pairs = rng.uniform(3e-6, 2.5e-5, (4, tile.array.n_row, tile.array.n_col))
    minor = {"g_minor_plus": pairs[2], "g_minor_minus": pairs[3]} if tile.cell.kind == "rail_quad" else {}
    return TileModel(tile, Conductances(g_plus=pairs[0], g_minus=pairs[1], **minor))


def batch(tile, n=1, seed=4):
    """One vector, n times; every row is read."""
    rng = np.random.default_rng(seed)
    return np.repeat(
        rng.integers(5, 128, (1, tile.array.n_row)) * rng.choice([-1, 1], (1, tile.array.n_row)), n, axis=0
    )


@pytest.mark.parametrize("method", ["outputs", "cells"])
@pytest.mark.parametrize("kind", KINDS)
def test_draws_have_the_closed_form_moments(kind, method):
    tile = noisy(**KINDS[kind])
    model, rng = programmed(tile), np.random.default_rng(5)
    expected = read_statistics(model, tile.noise, batch(tile))
    drawn = NoisyTile(model, rng).mvm(batch(tile, 2000), rng, method=method).charge_coulomb
    assert_mean(drawn, expected.mean_coulomb[0], expected.sigma_coulomb[0])
    assert_variance(drawn, expected.read_variance[0])
    assert_correlation(drawn[:, 0], drawn[:, 1], 0.0)


@pytest.mark.parametrize("kind", ["pair", "split", "passive"])
def test_the_tile_solved_anew_with_each_cells_draw_has_the_closed_form_moments(kind):
    tile = noisy(**KINDS[kind])
    model, rng = programmed(tile), np.random.default_rng(6)
    expected = read_statistics(model, tile.noise, batch(tile))
    drawn = NoisyTile(model, rng).mvm(batch(tile, 700), rng, method="circuit").charge_coulomb
    assert_mean(drawn, expected.mean_coulomb[0], expected.sigma_coulomb[0], systematic=0.02 * expected.sigma_coulomb)
    assert_variance(drawn, expected.read_variance[0], systematic=SECOND_ORDER)


def test_without_wires_the_variance_is_the_sum_over_cells():
    """By hand: pulse length, voltage, and the law's sigma for that length, of G+ and of G-."""
    tile = noisy(wires={"r_bit_line_ohm": 0.0})
    model, ticks = programmed(tile), batch(tile)
    process, c = read_noise_process(tile.noise.read), model.conductances
    t = np.abs(ticks[0])[:, np.newaxis] * 1e-9
    by_hand = sum((0.2 * t * process.sigma_siemens(g, t)) ** 2 for g in (c.g_plus, c.g_minus)).sum(axis=0)
    np.testing.assert_allclose(read_statistics(model, tile.noise, ticks).read_variance[0], by_hand, rtol=1e-10)


def test_a_zero_weight_has_noise_and_a_row_at_rest_has_none():
    tile = noisy()
    g = np.full((8, 3), 5e-6)
    model = TileModel(tile, Conductances(g_plus=g, g_minus=g))
    assert (read_statistics(model, tile.noise, batch(tile)).read_variance > 0).all()
    assert (read_statistics(model, tile.noise, np.zeros((1, 8), dtype=np.int64)).read_variance == 0).all()


def test_passes_of_a_split_read_see_nearly_the_same_slow_noise():
    """Correlated by what is slower than a read; fresh noise in each pass would give sum f^2 var alone."""
    tile = noisy(**KINDS["split"])
    model, ticks = programmed(tile), np.full((1, 8), 127)
    drives = tile_passes(tile, ticks)
    windows = ReadWindows.of_passes(tile, tile.noise, tile_process(tile.noise), drives)
    groups = cell_groups(model)
    g = [group.g_siemens for group in groups]
    covariance = pass_covariance(groups, g, [values**2 for values in g], windows, drives)[0, 0]
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert 0.3 < correlation < 1
    fresh = covariance[0, 0] + 64 * covariance[1, 1]
    read = read_statistics(model, tile.noise, ticks).read_variance[0, 0]
    assert read == relative(fresh + 16 * covariance[0, 1], ROUNDING)
    later = tile.noise.model_copy(update={"t_between_passes_second": 1e3})
    assert read_statistics(model, later, ticks).read_variance[0, 0] == relative(fresh, 1e-9)


def test_columns_are_correlated_where_rows_resist():
    tile = noisy(wires={"r_row_ohm": 2000.0, "r_driver_ohm": 1000.0, "r_bit_line_ohm": 100.0})
    model, rng = programmed(tile), np.random.default_rng(7)
    covariance = read_covariance(model, batch(tile))[0]
    drawn = NoisyTile(model, rng).mvm(batch(tile, 1500), rng, method="circuit").charge_coulomb
    assert_variance(drawn, np.diag(covariance), systematic=SECOND_ORDER)
    sigma = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sigma, sigma)
    assert np.abs(correlation[~np.eye(3, dtype=bool)]).max() > 0.03
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert_correlation(drawn[:, first], drawn[:, second], correlation[first, second])


def test_sensitivities_are_not_offered_where_rows_resist():
    """They leave out what a cell does to its row: the default is to solve anew, and the closed form refuses."""
    tile = noisy(wires={"r_driver_ohm": 500.0})
    model, rng = programmed(tile), np.random.default_rng(18)
    output = NoisyTile(model, rng).mvm(batch(tile), rng)
    assert output.provenance["noise"]["method"] == "circuit"
    for statistics in (read_statistics, chip_statistics):
        with pytest.raises(InputError, match="its rows resist, so that columns act on each other; use crosstalk"):
            statistics(model, tile.noise, batch(tile))


def test_ideal_rows_make_columns_independent_and_variances_agree():
    """The same sensitivities from node voltages: without a voltage along the bit line they are the closed form's."""
    for kind in ("pair", "split", "passive", "quad", "mirror"):
        tile = noisy(**KINDS[kind])
        model = programmed(tile)
        covariance = read_covariance(model, batch(tile))[0]
        variance = read_statistics(model, tile.noise, batch(tile)).read_variance[0]
        np.testing.assert_allclose(np.diag(covariance), variance, rtol=2e-3)
        off = covariance[~np.eye(3, dtype=bool)]
        assert np.abs(off).max() < 1e-9 * variance.min()


def test_what_ir_drop_does_to_a_cells_voltage_is_of_second_order():
    """IBM's tile at full height, where wires cost 9 % of the MAC: the closed-form variance is within 1 %."""
    tile = noisy(array={"n_row": 512, "n_col": 4}, wires={"r_bit_line_ohm": 0.15})
    rng = np.random.default_rng(8)
    weights = np.clip(rng.normal(0, 1 / 3, (512, 4)), -1, 1)
    model = TileModel(tile, conductances_from_weights(tile, weights))
    ticks = np.rint(127 * np.clip(rng.normal(0, 1 / 3, (2, 512)), -1, 1)).astype(np.int64)
    exact = np.diagonal(read_covariance(model, ticks), axis1=1, axis2=2)
    closed = read_statistics(model, tile.noise, ticks).read_variance
    np.testing.assert_allclose(closed, exact, rtol=0.01)


@pytest.mark.parametrize("kind", ["pair", "passive", "split"])
def test_a_population_of_chips_has_the_closed_form_moments(kind):
    """Programming, drift, accumulated noise, faults, spread of devices and of polarity, and reads, all at once."""
    spread = {"conductance_sigma": 0.03, "polarity_sigma": 0.05}
    tile = noisy({**PCM, "t_since_programming_second": 1e4, "spread": spread}, **KINDS[kind])
    model, rng = programmed(tile), np.random.default_rng(9)
    expected = chip_statistics(model, tile.noise, batch(tile))
    drawn = np.concatenate([noisy_tile(model, rng).mvm(batch(tile), rng).charge_coulomb for _ in range(1000)])
    sigma = expected.sigma_coulomb[0]
    assert_mean(drawn, expected.mean_coulomb[0], sigma, systematic=0.01 * sigma)
    # drifted cells are log-normal: sums of 16 are close to normal, and the bound is widened for the rest
    assert_variance(drawn, sigma**2, systematic=0.05)
    assert (expected.chip_variance > 10 * expected.read_variance).all()


def test_draws_per_batch_share_one_deviate_a_cell():
    tile = noisy()
    model, rng = programmed(tile), np.random.default_rng(10)
    chip = NoisyTile(model, rng)
    same = chip.mvm(batch(tile, 3), rng, method="cells", draws="per_batch").charge_coulomb
    np.testing.assert_allclose(same, same[:1].repeat(3, axis=0), rtol=ROUNDING)
    fresh = chip.mvm(batch(tile, 3), rng, method="cells").charge_coulomb
    assert len(np.unique(fresh[:, 0])) == 3


def test_a_gated_tile_is_drawn_by_solving_it_anew():
    """Its closed form: cells in series with the switch see g^2 / G^2 of their deviation; no wires."""
    tile = switch_tile(noise=READ, wires={"r_bit_line_ohm": 0.0})
    model, rng = programmed(tile), np.random.default_rng(11)
    ticks = np.abs(batch(tile))
    drawn = NoisyTile(model, rng).mvm(np.repeat(ticks, 700, axis=0), rng).charge_coulomb
    process, t, expected = read_noise_process(tile.noise.read), ticks[0][:, np.newaxis] * 1e-9, 0.0
    for g in (model.conductances.g_plus, model.conductances.g_minus):
        expected = expected + (0.2 * t * process.sigma_siemens(g, t) / (1 + 880 * g) ** 2) ** 2
    assert_variance(drawn, expected.sum(axis=0), systematic=SECOND_ORDER)
    with pytest.raises(InputError, match=r"is not linear .*; use Monte Carlo draws"):
        read_statistics(model, tile.noise, ticks)


def test_codes_are_those_of_the_noisy_charges():
    adc = {"kind": "linear", "adc_bits": 10, "charge_full_scale_coulomb": 1e-12, "gain": 1.0, "offset_lsb": 0.0}
    tile = noisy(adc={**adc, "inl_lsb": ()})
    rng = np.random.default_rng(12)
    output = NoisyTile(programmed(tile), rng).mvm(batch(tile, 50), rng)
    assert output.code is not None
    assert len(np.unique(output.code[:, 0])) > 3
    lsb = output.charge_coulomb / output.code
    assert lsb.std() < 0.02 * lsb.mean()


def test_equal_seeds_give_equal_outputs():
    tile = noisy(PCM)
    model = programmed(tile)

    def once(seed):
        rng = np.random.default_rng(seed)
        return noisy_tile(model, rng).mvm(batch(tile, 2), rng).charge_coulomb

    np.testing.assert_array_equal(once(1), once(1))
    assert (once(1) != once(2)).all()


class TestAihwkit:
    """Its law with its shortcuts, which this option has and nothing else does."""

    def test_it_takes_one_mean_duration_and_the_difference(self):
        tile = noisy()
        g = np.full((8, 3), 12e-6)
        conductances = Conductances(g_plus=g, g_minus=g / 4)
        ticks = np.array([[10] * 8, [-50] * 8])
        rng = np.random.default_rng(13)
        reads = [aihwkit_read(tile, tile.noise, conductances, ticks, rng) for _ in range(2000)]
        difference = np.array([read.g_plus - read.g_minus for read in reads])
        sigma = law_sigma_siemens(tile.noise.read, 9e-6, 30e-9)
        assert_mean(difference, 9e-6, sigma)
        assert_variance(difference, np.full((8, 3), sigma**2))
        np.testing.assert_array_equal(np.minimum(reads[0].g_plus, reads[0].g_minus), g / 4)

    def test_a_zero_weight_has_no_noise_and_the_batch_shares_its_draw(self):
        tile = noisy()
        model = TileModel(tile, Conductances(g_plus=np.full((8, 3), 5e-6), g_minus=np.full((8, 3), 5e-6)))
        rng = np.random.default_rng(14)
        quiet = model.mvm(batch(tile, 2)).charge_coulomb
        drawn = NoisyTile(model, rng).mvm(batch(tile, 2), rng, method="aihwkit").charge_coulomb
        np.testing.assert_array_equal(drawn, quiet)

    def test_each_pass_has_a_draw_of_its_own(self):
        """Unlike a process: the passes' errors are independent, each with the sigma of its own mean duration."""
        tile = noisy(**KINDS["split"], wires={"r_bit_line_ohm": 0.0}, read_out={"v_clamp_volt": 0.4})
        g = np.full((8, 3), 12e-6)
        chip = NoisyTile(TileModel(tile, Conductances(g_plus=g, g_minus=g / 4)), np.random.default_rng(16))
        rng, ticks = np.random.default_rng(17), np.full((1, 8), 127)
        drawn = np.concatenate([chip.mvm(ticks, rng, method="aihwkit").charge_coulomb for _ in range(400)])
        low, high = (law_sigma_siemens(tile.noise.read, 9e-6, n * 1e-9) for n in (7, 15))
        assert_variance(drawn, np.full(3, 8 * (0.2e-9) ** 2 * ((7 * low) ** 2 + (8 * 15 * high) ** 2)))

    def test_it_refuses_what_it_leaves_undefined(self):
        tile, rng = noisy(), np.random.default_rng(15)
        c = programmed(tile).conductances
        with pytest.raises(InputError, match=r"mean \|x\| of the batch"):
            aihwkit_read(tile, tile.noise, c, np.zeros((2, 8), dtype=np.int64), rng)
        quad = noisy(**KINDS["quad"])
        with pytest.raises(InputError, match="one pair of cells"):
            aihwkit_read(quad, quad.noise, programmed(quad).conductances, batch(tile), rng)


def test_a_tile_file_names_a_noise_preset_and_stands_above_it(tmp_path):
    head = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 4\nn_col = 2\n'
    (tmp_path / "quiet.toml").write_text(head)
    noise = '[noise]\npreset = "pcm_ibm"\nt_since_programming_second = 99.0\n[noise.drift]\nt_0_second = 30.0\n'
    (tmp_path / "noisy.toml").write_text(head + noise)
    quiet, tile = load_tile(tmp_path / "quiet.toml"), load_tile(tmp_path / "noisy.toml")
    assert quiet.noise is None
    assert tile.noise.t_since_programming_second == 99.0
    assert tile.noise.drift.t_0_second == 30.0
    assert tile.noise.drift.nu_mean_min == 0.049
    assert tile.sources["noise.read.slope"].kind == "code"
    assert tile.sources["noise.drift.t_0_second"].kind == "tile file"
    assert tile.model_copy(update={"noise": None}).sha256() == quiet.sha256() != tile.sha256()


def test_tiles_without_noise_keep_their_hash():
    """Of version 0.1.0 before there was noise: results and models on disk refer to it."""
    known = "98166369bce7ba1d53c843d87e534ad3362e3a39e81494bd8479f9c1e22f742c"
    assert load_tile("examples/ibm_pair_64x16.toml").sha256() == known


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ({**READ, "raed": {}}, r"\[noise\]: unknown key 'raed'; did you mean 'read'\?"),
        ({"read": READ["read"]}, r"\[noise\]: key 't_since_programming_second' is missing"),
        ({**READ, "read": {**READ["read"], "t_max_second": 1e-10}}, "t_min_second must be smaller than t_max_second"),
        ({**READ, "spread": {"conductance_sigma": -1.0, "polarity_sigma": 0.0}}, "greater than or equal to 0"),
    ],
)
def test_mistakes_in_the_table_are_told(noise, message):
    with pytest.raises(InputError, match=message):
        tile_from_mapping(pair_mapping(noise=noise))


def test_an_unknown_noise_preset_is_told(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[noise]\npreset = "pcm"\n')
    with pytest.raises(InputError, match="unknown preset 'pcm'; did you mean 'pcm_ibm'"):
        load_tile(path)


def test_a_tile_without_noise_cannot_be_drawn(rng):
    with pytest.raises(InputError, match=r"has no noise; add a table \[noise\]"):
        NoisyTile(programmed(pair_tile()), rng)


def test_methods_that_do_not_apply_are_refused(rng):
    tile = noisy()
    chip = NoisyTile(programmed(tile), rng)
    with pytest.raises(InputError, match="only method 'cells' makes"):
        chip.mvm(batch(tile), rng, method="outputs", draws="per_batch")
    wide = programmed(noisy(array={"n_row": 512, "n_col": 512}))
    with pytest.raises(InputError, match="too many for the covariance"):
        read_covariance(wide, np.ones((1, 512), dtype=np.int64))


def test_a_preset_holds_nothing_without_a_source():
    noise = NoiseConfig(**PCM)
    assert noise.read is not None
    assert noise.faults is noise.spread is noise.telegraph is None
