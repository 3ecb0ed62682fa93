"""From programming to reading: every step against its law, in every array library, and a population's moments."""

import numpy as np
import pytest

from tests.statistics_bounds import assert_mean, assert_variance
from tests.tolerances import ROUNDING, relative
from tilemodel.config.load import load_noise_preset
from tilemodel.config.noise import Faults, NoiseConfig, Spread
from tilemodel.config.operands import Conductances
from tilemodel.noise import steps
from tilemodel.noise.chip import aged_conductances, conductance_moments

PRESET = NoiseConfig(**load_noise_preset("pcm_ibm"))
FAULTS = Faults(stuck_low_fraction=0.03, stuck_low_siemens=1e-8, stuck_high_fraction=0.02, stuck_high_siemens=3e-5)
SPREAD = Spread(conductance_sigma=0.04, polarity_sigma=0.1)
DAY = 86400.0


def cells(g, n=100_000):
    return np.full(n, g)


@pytest.mark.parametrize("g", [5e-6, 12.5e-6, 25e-6])
def test_programming_noise_is_the_published_polynomial(g):
    sigma = 1e-6 * (0.26348 + 1.9650 * (g / 25e-6) - 1.1731 * (g / 25e-6) ** 2)
    drawn = steps.programmed(PRESET.programming, cells(g), np.random.default_rng(1))
    assert_mean(drawn, g, sigma)
    assert_variance(drawn, sigma**2)


def test_nothing_is_programmed_below_zero():
    drawn = steps.programmed(PRESET.programming, cells(0.0), np.random.default_rng(1))
    assert drawn.min() == 0.0
    assert_mean((drawn == 0).astype(float), 0.5, 0.5)


def test_drift_is_the_power_law_of_the_published_exponents():
    g = cells(10e-6)
    nu = steps.drift_exponent(PRESET.drift, g, np.random.default_rng(2))
    mean, sigma = max(-0.0155 * np.log(0.4) + 0.0244, 0.049), max(-0.0125 * np.log(0.4) - 0.0059, 0.008)
    assert_mean(nu, mean, sigma, systematic=1e-9)  # the sign that |nu| drops: 9 sigma away
    assert_variance(nu, sigma**2)
    later = steps.drifted(PRESET.drift, g, nu, DAY)
    np.testing.assert_allclose(later, g * (DAY / 20) ** -nu, rtol=ROUNDING)
    np.testing.assert_array_equal(steps.drifted(PRESET.drift, g, nu, 19.0), g)


def test_drift_exponents_keep_to_their_limits():
    for g, (mean, sigma) in {0.0: (0.1, 0.045), 1e-9: (0.1, 0.045), 25e-6: (0.049, 0.008)}.items():
        at = steps.nu_moments(PRESET.drift, cells(g, 1))
        assert (float(at[0][0]), float(at[1][0])) == (mean, sigma)


def test_accumulated_noise_grows_with_the_logarithm_of_time():
    g, t = 10e-6, 3600.0
    sigma = 0.0088 / 0.4**0.65 * np.sqrt(np.log((t + 250e-9) / 500e-9))
    drawn = steps.accumulated(PRESET.long_term, cells(g), cells(g), t, np.random.default_rng(3))
    assert_mean(drawn, g, g * sigma)
    assert_variance(drawn, (g * sigma) ** 2)
    assert steps.accumulated_factor(PRESET.long_term, 0.0) == 0.0
    small = steps.long_term_sigma(PRESET.long_term, cells(1e-9, 1), t)
    assert float(small[0]) == relative(0.2 * steps.accumulated_factor(PRESET.long_term, t), ROUNDING)


def test_stuck_cells_are_as_many_as_stated():
    drawn = steps.stuck(FAULTS, cells(1e-6), np.random.default_rng(4))
    assert_mean((drawn == 1e-8).astype(float), 0.03, np.sqrt(0.03 * 0.97))
    assert_mean((drawn == 3e-5).astype(float), 0.02, np.sqrt(0.02 * 0.98))
    assert set(np.unique(drawn)) == {1e-8, 1e-6, 3e-5}


def test_devices_and_their_polarities_differ_as_stated():
    rng = np.random.default_rng(5)
    assert_variance(steps.spread_out(SPREAD, cells(1e-6), rng), (0.04e-6) ** 2)
    both = steps.under_polarity(SPREAD, cells(1e-6), rng)
    np.testing.assert_array_equal(both.positive, cells(1e-6))
    assert_variance(both.negative, (0.1e-6) ** 2)


@pytest.mark.parametrize("g", [0.0, 1e-6, 5e-6, 25e-6])
@pytest.mark.parametrize(
    "without",
    [(), ("faults",), ("faults", "spread", "drift"), ("programming", "long_term")],
    ids=["all", "no faults", "programming and 1/f", "faults, spread, drift"],
)
def test_a_populations_moments_are_those_of_its_chips(g, without):
    """Quadrature against draws; not normal, so that the bound of the variance is from the sample's own scatter."""
    parts = {"faults": FAULTS, "spread": SPREAD, "t_since_programming_second": DAY} | dict.fromkeys(without)
    noise = PRESET.model_copy(update=parts)
    target = np.full((200, 1000), g)
    drawn = aged_conductances(noise, Conductances(g_plus=target, g_minus=target), np.random.default_rng(11)).g_plus
    moments = conductance_moments(noise, np.array([g, 25e-6]))
    sample, mean, variance = drawn.ravel(), moments.mean[0], moments.variance[0]
    # the table is linear between 2049 conductances
    assert_mean(sample, mean, sample.std(), systematic=1e-4 * np.sqrt(variance))
    square = (sample - mean) ** 2
    assert_mean(square, variance, square.std(), systematic=1e-3 * variance)


def test_without_any_effect_a_chip_is_its_targets(rng):
    quiet = NoiseConfig(t_since_programming_second=DAY, t_between_passes_second=0.0)
    g = rng.uniform(0, 25e-6, (4, 3))
    targets = Conductances(g_plus=g, g_minus=g[::-1])
    aged = aged_conductances(quiet, targets, rng)
    np.testing.assert_array_equal(aged.g_plus, targets.g_plus)
    moments = conductance_moments(quiet, g)
    np.testing.assert_allclose(moments.mean, g, rtol=0, atol=1e-18)
    assert moments.variance.max() < 1e-15 * (25e-6) ** 2  # rounding


def chain(g, rng):
    """All steps, as a user composes them."""
    written = steps.programmed(PRESET.programming, g, rng)
    written = steps.spread_out(SPREAD, steps.stuck(FAULTS, written, rng), rng)
    aged = steps.drifted(PRESET.drift, written, steps.drift_exponent(PRESET.drift, g, rng), DAY)
    return steps.under_polarity(SPREAD, steps.accumulated(PRESET.long_term, aged, written, DAY, rng), rng).negative


@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_array_libraries_give_the_same_conductances(library, dtype):
    """The strict library refuses whatever is outside the standard; torch runs where it is installed."""
    xp = pytest.importorskip(library)
    g = np.linspace(0, 25e-6, 60).reshape(3, 20)
    expected = chain(g, np.random.default_rng(12))
    given = xp.asarray(g, dtype=getattr(xp, dtype))
    result = chain(given, np.random.default_rng(12))
    assert result.dtype == given.dtype
    assert type(result) is type(given)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(np.asarray(result), expected, rtol=0, atol=tolerance * 25e-6)
