"""Read noise: from the law of a tile file to the process that has it. Derivations: docs/pcm_noise.md.

A published law sigma(G, t) = a(t) G + b(t) says what a read of duration t sees, not what the process is. Its square,
a^2 G^2 + 2 a b G + b^2, is met power by power with Lorentzians of log-spaced rates by non-negative least squares of
the relative error: the process then holds for all G at once, and for windows that the law does not speak of.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig, PolynomialReadNoise, PowerLawReadNoise, ReadNoise, TelegraphNoise
from tilemodel.config.passes import Pass
from tilemodel.config.tile import TileConfig
from tilemodel.noise.process import LorentzianNoise, mean_share

__all__ = [
    "is_extrapolated",
    "law_fit_error",
    "law_sigma_siemens",
    "read_noise_process",
    "telegraph_process",
    "tile_process",
]

FloatArray = NDArray[np.float64]

# The fit to a law reaches to this duration at least; beyond the law's validity its polynomials are extrapolated
_T_FIT_SECOND = 1e-6
_POINTS_PER_DECADE, _RATES_PER_DECADE = 30, 2
# Rates reach this far beyond the inverse of the fitted durations: faster is white, slower a constant
_FASTER, _SLOWER = 100.0, 100.0
# Where it is decided how far a polynomial can be extrapolated
_G_TYPICAL_SIEMENS = 5e-6
# Of a power law: components a decade (ripple below 0.1 %)
_POWER_LAW_RATES = 4


def law_sigma_siemens(law: PolynomialReadNoise, g_siemens: ArrayLike, t_second: ArrayLike) -> FloatArray:
    """The polynomial law itself [siemens]; arguments broadcast."""
    x = np.log10(np.asarray(t_second) / law.t_reference_second)
    slope, offset = (np.polynomial.polynomial.polyval(x, c) for c in (law.slope, law.offset_siemens))
    result: FloatArray = slope * np.asarray(g_siemens) + offset
    return result


def read_noise_process(law: ReadNoise) -> LorentzianNoise:
    """The process of a law. Raises `InputError` for a law whose a(t) or b(t) is negative where it is fitted."""
    return _of_polynomial(law) if isinstance(law, PolynomialReadNoise) else _of_power_law(law)


def tile_process(noise: NoiseConfig) -> LorentzianNoise | None:
    """Read and telegraph noise of a tile, the latter by its mean spectrum over all cells; None without either.

    Second moments are exact; that single trapped cells are not normally distributed is left out here.
    """
    parts = [] if noise.read is None else [read_noise_process(noise.read)]
    if noise.telegraph is not None:
        parts.append(telegraph_process(noise.telegraph))
    if not parts:
        return None
    return LorentzianNoise(
        rate_per_second=np.concatenate([part.rate_per_second for part in parts]),
        weight=np.concatenate([part.weight for part in parts], axis=1),
        white=np.sum([part.white for part in parts], axis=0),
    )


def law_fit_error(law: PolynomialReadNoise, g_siemens: FloatArray, t_second: FloatArray) -> float:
    """Largest relative deviation of the process's sigma from the law's, over all pairs of `g_siemens`, `t_second`."""
    g, t = np.meshgrid(g_siemens, t_second)
    return float(np.abs(read_noise_process(law).sigma_siemens(g, t) / law_sigma_siemens(law, g, t) - 1).max())


@lru_cache(maxsize=64)
def _of_polynomial(law: PolynomialReadNoise) -> LorentzianNoise:
    t_last = max(law.t_max_second, _T_FIT_SECOND)
    decades = np.log10(t_last / law.t_min_second)
    t = np.geomspace(law.t_min_second, t_last, int(_POINTS_PER_DECADE * decades) + 2)
    zero, one = law_sigma_siemens(law, np.zeros(1), t), law_sigma_siemens(law, np.ones(1), t)
    slope = one - zero
    bad = (slope < 0) | (zero < 0)
    if bad[t <= law.t_max_second * (1 + 1e-9)].any():
        raise InputError(
            f"read noise: the polynomials give a negative sigma at {t[bad][0]:.3g} s; they must be positive from "
            f"t_min_second to t_max_second, {law.t_max_second:.3g} s"
        )
    rises = np.append(np.diff(zero + _G_TYPICAL_SIEMENS * slope) > 0, False)
    useless = (bad | rises) & (t > law.t_max_second)
    if useless.any():  # an extrapolation that turns up again is none
        last = int(np.argmax(useless))
        t, zero, slope, t_last = t[:last], zero[:last], slope[:last], t[last - 1]
    n_rate = int(_RATES_PER_DECADE * (decades + np.log10(_FASTER * _SLOWER))) + 2
    rate = np.geomspace(1.0 / (_SLOWER * t_last), _FASTER / law.t_min_second, n_rate)
    share = mean_share(np.multiply.outer(t, rate))
    weight = np.array([_non_negative(share, target) for target in (zero**2, 2 * slope * zero, slope**2)])
    used = weight.any(axis=0)
    return LorentzianNoise(rate_per_second=rate[used], weight=weight[:, used], white=np.zeros(3))


def _non_negative(share: FloatArray, target: FloatArray) -> FloatArray:
    """Weights >= 0 for which share @ weights is nearest to `target` in relative terms."""
    if not target.any():
        return np.zeros(share.shape[1])
    scale = np.where(target > 0, target, target.max())
    solution, _ = nnls(share / scale[:, np.newaxis] * target.max(), target / scale)
    result: FloatArray = solution * target.max()
    return result


@lru_cache(maxsize=256)
def _of_power_law(law: PowerLawReadNoise) -> LorentzianNoise:
    """Lorentzians of rates 2 pi f with weights ~ rate^(1 - beta) a step of ln(rate).

    The integral of rate^(1 - beta) 4 rate / (rate^2 + omega^2) d ln(rate) is 2 pi omega^(-beta) / sin(pi beta / 2).
    """
    decades = np.log10(law.f_high_hertz / law.f_low_hertz)
    n = max(int(_POWER_LAW_RATES * decades), 1)
    edges = np.linspace(np.log(law.f_low_hertz), np.log(law.f_high_hertz), n + 1)
    rate = 2 * np.pi * np.exp((edges[1:] + edges[:-1]) / 2)
    step = edges[1] - edges[0]
    omega = 2 * np.pi * law.f_reference_hertz
    unit = np.sin(np.pi * law.beta / 2) / (2 * np.pi) * omega**law.beta * rate ** (1 - law.beta) * step
    slope, offset = law.density_slope_per_root_hertz, law.density_offset_siemens_per_root_hertz
    power = np.array([offset**2, 2 * slope * offset, slope**2])
    white = 0.0 if law.f_white_hertz is None else (law.f_reference_hertz / law.f_white_hertz) ** law.beta
    return LorentzianNoise(rate_per_second=rate, weight=np.multiply.outer(power, unit), white=power * white)


def telegraph_process(telegraph: TelegraphNoise) -> LorentzianNoise:
    """Two states, left at random: autocovariance amplitude^2 p (1 - p) exp(-(1/t_high + 1/t_low) |tau|)."""
    high, low = telegraph.t_high_second, telegraph.t_low_second
    share = high / (high + low)
    variance = telegraph.cell_fraction * telegraph.amplitude**2 * share * (1 - share)
    return LorentzianNoise(
        rate_per_second=np.array([1 / high + 1 / low]),
        weight=np.array([[0.0], [0.0], [variance]]),
        white=np.zeros(3),
    )


def is_extrapolated(tile: TileConfig, noise: NoiseConfig, drives: Sequence[Pass]) -> bool:
    """Whether pulses of `drives` are shorter or longer than those for which the law of read noise holds."""
    if noise.read is None:
        return False
    lengths = np.concatenate([drive.n_tick[drive.n_tick > 0] for drive in drives])
    t = lengths * tile.drive.t_lsb_second
    slack = 1e-9
    outside = (t < noise.read.t_min_second * (1 - slack)) | (t > noise.read.t_max_second * (1 + slack))
    return bool(outside.any())
