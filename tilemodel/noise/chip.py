"""One chip: a tile's conductances from their targets to the time of reading; and what a population of chips has.

The order: programming noise, faults, spread of devices, drift, accumulated 1/f noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.noise import steps

__all__ = ["ConductanceMoments", "aged_conductances", "conductance_moments"]

FloatArray = NDArray[np.float64]

# Nodes and reach (in sigma) of the quadrature over programming noise; points of the table over conductance
_N_NODE, _REACH, _N_TABLE = 64, 8.0, 2049
# What no circuit simulation resolves counts as an empty cell (`Conductances`)
_EMPTY_SIEMENS = 1e-15


@dataclass(frozen=True, kw_only=True)
class ConductanceMoments:
    """Mean [siemens] and variance [siemens^2] over chips, of each cell; the arrays' shape is that of the targets."""

    mean: FloatArray
    variance: FloatArray


def aged_conductances(noise: NoiseConfig, targets: Conductances, rng: np.random.Generator) -> Conductances:
    """The conductances of one chip at `noise.t_since_programming_second`, drawn from `rng`.

    Each array draws in the order of `Conductances.arrays`. Read noise and polarity are drawn with each read.
    """
    aged = {name: _aged(noise, values, rng) for name, values in targets.arrays().items()}
    return Conductances(**{name: np.where(values < _EMPTY_SIEMENS, 0.0, values) for name, values in aged.items()})


def _aged(noise: NoiseConfig, target: FloatArray, rng: np.random.Generator) -> FloatArray:
    t = noise.t_since_programming_second
    written = target if noise.programming is None else steps.programmed(noise.programming, target, rng)
    if noise.faults is not None:
        written = steps.stuck(noise.faults, written, rng)
    if noise.spread is not None:
        written = steps.spread_out(noise.spread, written, rng)
    g = written
    if noise.drift is not None:
        g = steps.drifted(noise.drift, g, steps.drift_exponent(noise.drift, target, rng), t)
    if noise.long_term is not None:
        g = steps.accumulated(noise.long_term, g, written, t, rng)
    return np.minimum(np.asarray(g, dtype=np.float64), 1.0)


def conductance_moments(noise: NoiseConfig, targets_siemens: FloatArray) -> ConductanceMoments:
    """Mean and variance over chips of what `aged_conductances` draws, from a table over the targets' range.

    Deviates that are cut at 0 or lose their sign are taken so. Left out is that a device's spread changes the Q of its
    accumulated noise.
    """
    table = np.linspace(0.0, max(float(targets_siemens.max(initial=0.0)), 1e-12), _N_TABLE)
    mean, square = _moments(noise, table)
    g_mean = np.interp(targets_siemens, table, mean)
    variance = np.interp(targets_siemens, table, np.maximum(square - mean**2, 0.0))
    return ConductanceMoments(mean=g_mean, variance=variance)


def _moments(noise: NoiseConfig, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and second moment at each of `target` [n], by quadrature over the written conductance."""
    written, chance = _written(noise, target)
    first, second, t = written, written**2, noise.t_since_programming_second
    relative = []
    if noise.spread is not None:
        relative.append(np.full_like(written, noise.spread.conductance_sigma))
    if noise.long_term is not None:
        relative.append(steps.long_term_sigma(noise.long_term, written, t))
    for sigma in relative:
        mean, square = _cut_moments(sigma)
        first, second = first * mean, second * square
    if noise.drift is not None and t > noise.drift.t_0_second:
        log = np.log(t / noise.drift.t_0_second)
        nu, sigma = steps.nu_moments(noise.drift, target)
        first = first * _folded_exponential(log, nu, sigma)
        second = second * _folded_exponential(2 * log, nu, sigma)
    return (chance * first).sum(axis=0), (chance * second).sum(axis=0)


def _cut_moments(sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and second moment of max(1 + sigma z, 0), z normal."""
    edge = 1.0 / np.maximum(sigma, 1e-6)
    above, density = ndtr(edge), np.exp(-(np.minimum(edge, 40.0) ** 2) / 2) / np.sqrt(2 * np.pi)
    return above + sigma * density, (1 + sigma**2) * above + sigma * density


def _folded_exponential(log: float, nu: FloatArray, sigma: FloatArray) -> FloatArray:
    """Mean of exp(-log |nu + sigma z|), z normal."""
    up, shift = np.exp(0.5 * (log * sigma) ** 2), nu / sigma
    result: FloatArray = up * (
        np.exp(-log * nu) * ndtr(shift - log * sigma) + np.exp(log * nu) * ndtr(-shift - log * sigma)
    )
    return result


def _written(noise: NoiseConfig, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Conductances after programming and faults with their probabilities, both [n_node, n]."""
    sigma = np.zeros_like(target) if noise.programming is None else steps.programming_sigma(noise.programming, target)
    sigma = np.maximum(sigma, 0.0)
    lowest = np.clip(np.divide(-target, sigma, out=np.full_like(target, -_REACH), where=sigma > 0), -_REACH, _REACH)
    node, weight = np.polynomial.legendre.leggauss(_N_NODE)
    half = (_REACH - lowest) / 2
    deviate = lowest + half * (1 + node[:, np.newaxis])
    above = half * weight[:, np.newaxis] * np.exp(-(deviate**2) / 2) / np.sqrt(2 * np.pi)
    chance = np.concatenate([above, (1 - above.sum(axis=0))[np.newaxis]])  # the last: cut at 0
    values = np.concatenate([target + deviate * sigma, np.where(lowest > -_REACH, 0.0, target)[np.newaxis]])
    faults = noise.faults
    if faults is None:
        return values, chance
    ends = np.array([faults.stuck_low_siemens, faults.stuck_high_siemens])
    shares = np.array([faults.stuck_low_fraction, faults.stuck_high_fraction])
    return (
        np.concatenate([values, np.repeat(ends[:, np.newaxis], target.size, axis=1)]),
        np.concatenate([chance * (1 - shares.sum()), np.repeat(shares[:, np.newaxis], target.size, axis=1)]),
    )
