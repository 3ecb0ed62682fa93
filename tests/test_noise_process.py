"""The noise process: identities, the published law within 3 %, and draws against their moments."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tests.statistics_bounds import assert_correlation, assert_mean, assert_variance
from tests.tolerances import ROUNDING, relative
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_noise_preset
from tilemodel.config.noise import NoiseConfig, PolynomialReadNoise, PowerLawReadNoise, TelegraphNoise
from tilemodel.noise.process import LorentzianNoise, mean_share, window_share
from tilemodel.noise.read_noise import law_fit_error, law_sigma_siemens, read_noise_process, tile_process
from tilemodel.noise.telegraph import telegraph_means

PRESET = NoiseConfig(**load_noise_preset("pcm_ibm"))
ONE = LorentzianNoise(rate_per_second=np.array([3e7]), weight=np.array([[4e-14], [0.0], [0.0]]), white=np.zeros(3))
PINK = PowerLawReadNoise(
    kind="power_law",
    beta=1.0,
    density_slope_per_root_hertz=1e-3,
    density_offset_siemens_per_root_hertz=1e-9,
    f_reference_hertz=1.0,
    f_low_hertz=1e-3,
    f_high_hertz=1e10,
    t_min_second=1e-9,
    t_max_second=1.0,
)


def pink(**changes):
    return PowerLawReadNoise(**{**PINK.model_dump(), **changes})


def test_the_published_law_is_the_table_of_its_source():
    """parameters.md: sigma / G at 5 and 25 uS for 1, 10 and 100 ns, in percent."""
    for g, expected in ((5e-6, (4.9, 3.1, 2.1)), (25e-6, (3.1, 1.9, 1.3))):
        sigma = law_sigma_siemens(PRESET.read, g, np.array([1e-9, 1e-8, 1e-7]))
        np.testing.assert_allclose(100 * sigma / g, expected, atol=0.06, rtol=0)


def test_the_process_has_the_published_law_within_3_percent_from_1_ns_to_1_us():
    """The issue's bar; measured 0.1 %. From 127 ns on the law itself is extrapolated."""
    g = np.linspace(0, 50e-6, 26)
    assert law_fit_error(PRESET.read, g, np.geomspace(1e-9, 1e-6, 401)) < 0.002


@pytest.mark.parametrize("t", [1e-9, 3e-8, 1e-7])
def test_variance_of_the_mean_is_the_spectrum_seen_through_the_window(t):
    """V(t) = integral of S(f) sinc^2(f t) df, by quadrature, for one component and for white noise."""
    density = lambda f: ONE.density(0.0, f) * np.sinc(f * t) ** 2  # noqa: E731
    edges = np.concatenate([[0], np.geomspace(1e4, 1e11, 200)])
    total = sum(quad(density, low, high, limit=500)[0] for low, high in pairwise(edges))
    assert total == relative(ONE.sigma_siemens(0.0, t) ** 2, 1e-3)
    white = LorentzianNoise(rate_per_second=np.zeros(0), weight=np.zeros((3, 0)), white=np.array([2e-20, 0, 0]))
    assert white.sigma_siemens(0.0, t) ** 2 == relative(1e-20 / t, ROUNDING)


@given(st.floats(-8, 4), st.floats(0.05, 0.95))
def test_a_window_is_its_two_parts(log_y, share):
    """Var of a mean over t1 + t2 from the parts' variances and covariance (no gap)."""
    y = 10.0**log_y
    first, second = share * y, (1 - share) * y
    parts = share**2 * mean_share(first) + (1 - share) ** 2 * mean_share(second)
    parts += 2 * share * (1 - share) * window_share(first) * window_share(second)
    assert parts == relative(float(mean_share(y)), 1e-7)


def test_windows_far_apart_share_nothing_and_slow_noise_is_all_shared():
    t = 1e-8
    apart = ONE.window_covariance(t, 1e-5, t)[0]
    assert apart < 1e-100
    slow = LorentzianNoise(rate_per_second=np.array([1e2]), weight=ONE.weight, white=np.zeros(3))
    assert slow.window_covariance(t, t, t)[0] == relative(slow.window_variance(t)[0], 1e-5)


@pytest.mark.parametrize("beta", [0.3, 1.0, 1.5])
def test_a_power_law_is_one_between_its_cut_offs(beta):
    process = read_noise_process(pink(beta=beta))
    f = np.geomspace(1e2, 1e6, 50)
    missing = (f / 1e10) ** beta + (1e-3 / f) ** (2 - beta)  # of the Lorentzians beyond the cut-offs
    error = process.density(5e-6, f) / ((6e-9) ** 2 * f**-beta) - 1
    assert (np.abs(error) < 0.005 + missing).all()
    floor = process.density(5e-6, np.array([1e-7, 1e-8]))
    assert floor[0] == relative(floor[1], 1e-3)
    fast = process.density(5e-6, np.array([1e13, 1e14]))
    assert fast[0] / fast[1] == relative(100, 1e-3)


def test_white_noise_takes_over_where_it_says():
    process = read_noise_process(pink(f_white_hertz=1e4))
    both = process.density(5e-6, 1e4)
    assert both == relative(2 * (6e-9) ** 2 * 1e-4, 0.01)


def test_a_polynomial_that_turns_negative_is_refused():
    law = PolynomialReadNoise(
        kind="polynomial",
        slope=(0.02, -0.02, 0.002),
        offset_siemens=(1e-7,),
        t_reference_second=1e-9,
        t_min_second=1e-9,
        t_max_second=1e-7,
    )
    with pytest.raises(InputError, match=r"negative sigma at 1.* s; they must be positive from t_min_second to"):
        read_noise_process(law)


def test_steps_are_drawn_with_the_moments_of_the_process():
    """Sums of steps have the law's variance at their length; distant steps the process's covariance."""
    process, g, step = read_noise_process(PRESET.read), 5e-6, 0.5e-9
    rng = np.random.default_rng(7)
    steps = process.step_means(np.full(20000, g), step, 64, rng)
    for n in (1, 4, 16, 64):
        mean = steps[:n].mean(axis=0)
        assert_variance(mean, process.sigma_siemens(g, n * step) ** 2)
        assert_mean(mean, 0.0, process.sigma_siemens(g, n * step))
    covariance = process.step_covariance(g, step, 64)
    for lag in (1, 8, 63):
        assert_correlation(steps[0], steps[lag], covariance[lag] / covariance[0])


def test_intervals_of_any_length_are_drawn_with_the_moments_of_the_process():
    process, g = read_noise_process(PRESET.read), 2e-6
    edges = np.array([3e-9, 4e-9, 20e-9, 22e-9])
    drawn = process.interval_means(np.full(20000, g), edges, np.random.default_rng(8))
    for n, length in enumerate(np.diff(edges)):
        assert_variance(drawn[n], process.sigma_siemens(g, length) ** 2)
    c0, c1, c2 = process.window_covariance(1e-9, 16e-9, 2e-9)
    rho = (c0 + c1 * g + c2 * g**2) / (process.sigma_siemens(g, 1e-9) * process.sigma_siemens(g, 2e-9))
    assert_correlation(drawn[0], drawn[2], rho)
    white = read_noise_process(pink(f_white_hertz=1e-2))
    noisy = white.interval_means(np.full(20000, g), edges, np.random.default_rng(9))
    assert_variance(noisy[0], white.sigma_siemens(g, 1e-9) ** 2)


def test_equal_generators_draw_equal_noise():
    process = read_noise_process(PRESET.read)
    first, second = (process.step_means(np.full(3, 1e-6), 1e-9, 4, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


TRAP = TelegraphNoise(cell_fraction=1.0, amplitude=0.05, t_high_second=2e-8, t_low_second=5e-8)


def test_telegraph_jumps_have_the_spectrum_that_the_tile_takes():
    """Variance of means over a tenth to ten mean times; the state is binary, so bounds are from its own scatter."""
    noise = PRESET.model_copy(update={"read": None, "telegraph": TRAP})
    process = tile_process(noise)
    rng, g = np.random.default_rng(5), np.full(4000, 10e-6)
    for t in (2e-9, 3e-8, 3e-7):
        mean = telegraph_means(TRAP, g, np.array([0.0, t]), rng)[0]
        square = mean**2
        assert_mean(square, process.sigma_siemens(10e-6, t) ** 2, square.std())
        assert_mean(mean, 0.0, mean.std())


def test_only_the_trapped_share_of_cells_jumps():
    some = TRAP.model_copy(update={"cell_fraction": 0.25})
    drawn = telegraph_means(some, np.full(4000, 1e-5), np.array([0.0, 1e-9]), np.random.default_rng(6))[0]
    assert_mean((drawn != 0).astype(float), 0.25, np.sqrt(0.25 * 0.75))
