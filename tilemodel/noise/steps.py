"""What happens to conductances from programming to reading, one function an effect, to be composed.

Every step takes and returns conductances [siemens] of any shape, of any array-API library; what is random comes from
the `numpy.random.Generator` that is handed in. `chip.py` puts them in order for a tile.
"""

import math
from dataclasses import dataclass

import numpy as np

from tilemodel.config.noise import Drift, Faults, LongTermNoise, ProgrammingNoise, Spread
from tilemodel.noise.arrays import Array, namespace, normals, uniforms

__all__ = [
    "PolarConductance",
    "accumulated",
    "accumulated_factor",
    "drift_exponent",
    "drifted",
    "long_term_sigma",
    "nu_moments",
    "programmed",
    "programming_sigma",
    "spread_out",
    "stuck",
    "under_polarity",
]

# ln(G / g_reference) of an empty cell, as aihwkit takes it
_G_RATIO_MIN = 1e-7
_Q_POWER_MIN = 1e-3


def programming_sigma(law: ProgrammingNoise, g_siemens: Array) -> Array:
    """Standard deviation [siemens] of what programming to `g_siemens` gives (Nandakumar et al., ICECS 2019)."""
    ratio = g_siemens / law.g_reference_siemens
    sigma = 0.0 * ratio
    for coefficient in reversed(law.coefficients_siemens):
        sigma = sigma * ratio + coefficient
    return sigma


def programmed(law: ProgrammingNoise, g_siemens: Array, rng: np.random.Generator) -> Array:
    """Conductances as programming leaves them, cut at 0."""
    return _not_negative(g_siemens + programming_sigma(law, g_siemens) * normals(rng, g_siemens))


def nu_moments(law: Drift, g_siemens: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the drift exponent's normal deviate at the target conductance."""
    xp = namespace(g_siemens)
    ratio = g_siemens / law.g_reference_siemens
    log = xp.log(xp.where(ratio < _G_RATIO_MIN, xp.full_like(ratio, _G_RATIO_MIN), ratio))
    mean = xp.clip(law.nu_mean_log_slope * log + law.nu_mean_offset, law.nu_mean_min, law.nu_mean_max)
    sigma = xp.clip(law.nu_sigma_log_slope * log + law.nu_sigma_offset, law.nu_sigma_min, law.nu_sigma_max)
    return mean, sigma


def drift_exponent(law: Drift, target_siemens: Array, rng: np.random.Generator) -> Array:
    """The drift exponent nu of each cell, drawn once for its life."""
    mean, sigma = nu_moments(law, target_siemens)
    return namespace(target_siemens).abs(mean + sigma * normals(rng, target_siemens))


def drifted(law: Drift, g_siemens: Array, nu: Array, t_second: float) -> Array:
    """Conductances `t_second` after programming: G (t / t_0)^-nu; not changed before t_0."""
    if t_second <= law.t_0_second:
        return g_siemens
    return g_siemens * namespace(nu).exp(-math.log(t_second / law.t_0_second) * nu)


def long_term_sigma(law: LongTermNoise, programmed_siemens: Array, t_second: float) -> Array:
    """Relative standard deviation of the 1/f noise accumulated in `t_second` since programming (aihwkit)."""
    return _long_term_q(law, programmed_siemens) * accumulated_factor(law, t_second)


def accumulated_factor(law: LongTermNoise, t_second: float) -> float:
    """sqrt(ln((t + t_read) / (2 t_read))), 0 before t_read."""
    return math.sqrt(max(math.log((t_second + law.t_read_second) / (2 * law.t_read_second)), 0.0))


def accumulated(
    law: LongTermNoise, g_siemens: Array, programmed_siemens: Array, t_second: float, rng: np.random.Generator
) -> Array:
    """`g_siemens` with the 1/f noise of `t_second` since programming, cut at 0."""
    sigma = long_term_sigma(law, programmed_siemens, t_second)
    return _not_negative(g_siemens * (1.0 + sigma * normals(rng, g_siemens)))


def stuck(law: Faults, g_siemens: Array, rng: np.random.Generator) -> Array:
    """`g_siemens` with some cells stuck at the low, some at the high conductance."""
    xp, draw = namespace(g_siemens), uniforms(rng, g_siemens)
    low = xp.full_like(g_siemens, law.stuck_low_siemens)
    high = xp.full_like(g_siemens, law.stuck_high_siemens)
    with_low = xp.where(draw < law.stuck_low_fraction, low, g_siemens)
    return xp.where(draw >= 1.0 - law.stuck_high_fraction, high, with_low)


def spread_out(law: Spread, g_siemens: Array, rng: np.random.Generator) -> Array:
    """`g_siemens` times one plus a normal deviate of the device, cut at 0."""
    return _not_negative(g_siemens * (1.0 + law.conductance_sigma * normals(rng, g_siemens)))


@dataclass(frozen=True, kw_only=True)
class PolarConductance:
    """What cells conduct at a positive and at a negative voltage [siemens]."""

    positive: Array
    negative: Array


def under_polarity(law: Spread, g_siemens: Array, rng: np.random.Generator) -> PolarConductance:
    """Conductances for both polarities: a negative voltage sees G (1 + a normal deviate of the device), cut at 0.

    The mean asymmetry is the device's own (`cell.device.polarity_asymmetry`); this is its spread about it.
    """
    negative = _not_negative(g_siemens * (1.0 + law.polarity_sigma * normals(rng, g_siemens)))
    return PolarConductance(positive=g_siemens, negative=negative)


def _long_term_q(law: LongTermNoise, g_siemens: Array) -> Array:
    xp = namespace(g_siemens)
    power = (xp.abs(g_siemens) / law.g_reference_siemens) ** law.q_exponent
    limited = xp.where(power < _Q_POWER_MIN, xp.full_like(power, _Q_POWER_MIN), power)
    return xp.clip(law.q_coefficient / limited, None, law.q_max)


def _not_negative(g_siemens: Array) -> Array:
    return namespace(g_siemens).clip(g_siemens, 0.0, None)
