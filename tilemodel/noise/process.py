"""Conductance noise as a stationary process: a sum of Ornstein-Uhlenbeck processes and white noise.

Each component k has the autocovariance w_k exp(-rate_k |tau|), a Lorentzian spectrum. Its variance depends on the
conductance as w_k(G) = c0_k + c1_k G + c2_k G^2, so that one set of rates serves all cells. With y = rate t,

    variance of the mean over a window of length t:            w 2 (y - 1 + exp(-y)) / y^2
    covariance of two windows of lengths t, u, a gap between:  w (1 - exp(-y))/y (1 - exp(-z))/z exp(-rate gap)

with z = rate u.

White noise of one-sided density S gives S / (2 t), and nothing between windows. Derivations: docs/pcm_noise.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

__all__ = ["LorentzianNoise", "mean_share", "window_share"]

FloatArray = NDArray[np.float64]

# Below it, the series of the two shares is exact to rounding
_SMALL = 1e-4


@dataclass(frozen=True, kw_only=True)
class LorentzianNoise:
    """A stationary, normally distributed conductance deviation.

    Results "per power" have 3 as their first axis: coefficients [siemens^2, siemens, 1] of G^0, G^1, G^2.
    """

    rate_per_second: FloatArray
    """[n_component]"""
    weight: FloatArray
    """Variance of each component per power, [3, n_component], >= 0."""
    white: FloatArray
    """One-sided density [1/hertz] of the white part per power, [3]."""

    def window_variance(self, t_second: ArrayLike) -> FloatArray:
        """Variance of the mean over windows `t_second` [...], per power, [3, ...]."""
        t = np.asarray(t_second, dtype=np.float64)
        share = mean_share(np.multiply.outer(t, self.rate_per_second))
        result: FloatArray = np.tensordot(self.weight, share, axes=(1, -1)) + np.multiply.outer(self.white, 0.5 / t)
        return result

    def window_covariance(self, t_second: ArrayLike, gap_second: ArrayLike, u_second: ArrayLike) -> FloatArray:
        """Covariance of the means over a window `t_second` and a later one `u_second`, `gap_second` between them.

        All [...]; the result is per power, [3, ...].
        """
        t, gap, u = np.broadcast_arrays(np.asarray(t_second), np.asarray(gap_second), np.asarray(u_second))
        rate = self.rate_per_second
        share = window_share(np.multiply.outer(t, rate)) * window_share(np.multiply.outer(u, rate))
        share = share * np.exp(-np.multiply.outer(gap, rate))
        result: FloatArray = np.tensordot(self.weight, share, axes=(1, -1))
        return result

    def sigma_siemens(self, g_siemens: ArrayLike, t_second: ArrayLike) -> FloatArray:
        """Standard deviation of the mean over windows [siemens]; arguments broadcast."""
        c0, c1, c2 = self.window_variance(np.asarray(t_second, dtype=np.float64))
        g = np.asarray(g_siemens, dtype=np.float64)
        result: FloatArray = np.sqrt(c0 + (c1 + c2 * g) * g)
        return result

    def density(self, g_siemens: float, f_hertz: ArrayLike) -> FloatArray:
        """One-sided spectral density [siemens^2/hertz] of a cell of conductance `g_siemens`, at `f_hertz` [...]."""
        rate, weight = self.rate_per_second, self.component_variance(g_siemens)
        omega = 2 * np.pi * np.asarray(f_hertz, dtype=np.float64)[..., np.newaxis]
        result: FloatArray = (4 * weight * rate / (rate**2 + omega**2)).sum(axis=-1) + _power(self.white, g_siemens)
        return result

    def component_variance(self, g_siemens: ArrayLike) -> FloatArray:
        """Variance of each component [siemens^2] at `g_siemens` [...], [..., n_component]."""
        g = np.asarray(g_siemens, dtype=np.float64)[..., np.newaxis]
        result: FloatArray = self.weight[0] + (self.weight[1] + self.weight[2] * g) * g
        return result

    def step_covariance(self, g_siemens: float, step_second: float, n_step: int) -> FloatArray:
        """Autocovariance [siemens^2] of the means over successive steps at lags 0 to n_step - 1, [n_step]."""
        y = self.rate_per_second * step_second
        weight = self.component_variance(g_siemens)
        lag = np.arange(n_step - 1)[:, np.newaxis] * y
        result = np.empty(n_step)
        result[0] = weight @ mean_share(y) + _power(self.white, g_siemens) / (2 * step_second)
        result[1:] = np.exp(-np.minimum(lag, 700.0)) @ (weight * window_share(y) ** 2)
        return result

    def interval_means(self, g_siemens: ArrayLike, edges_second: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw the deviation of cells `g_siemens` [...] as its means over successive intervals [siemens].

        `edges_second` [n + 1] rise; the result is [n, ...]. As `step_means`, for few intervals of any length.
        """
        g, length = np.asarray(g_siemens, dtype=np.float64), np.diff(edges_second)
        total = np.zeros((length.size, *g.shape))
        for index, rate in enumerate(self.rate_per_second):
            sigma = np.sqrt(self.component_variance(g)[..., index])
            state = rng.standard_normal(g.shape)
            for n, y in enumerate(rate * length):
                total[n] += sigma * _unit_step(y, rng, state)
        white = _power(self.white, g) / 2
        if white.any():
            scale = np.sqrt(np.divide.outer(white, length))
            total += np.moveaxis(scale, -1, 0) * rng.standard_normal(total.shape)
        return total

    def step_means(self, g_siemens: ArrayLike, step_second: float, n_step: int, rng: np.random.Generator) -> FloatArray:
        """Draw the deviation of cells `g_siemens` [...] as its means over successive steps [siemens], [n_step, ...].

        Exact for any step: of each component, the state at the steps' ends and the mean in between are jointly normal.
        """
        g = np.asarray(g_siemens, dtype=np.float64)
        total = np.zeros((n_step, *g.shape))
        for index, rate in enumerate(self.rate_per_second):
            sigma = np.sqrt(self.component_variance(g)[..., index])
            if sigma.any():
                total += sigma * _unit_step_means(rate * step_second, (n_step, *g.shape), rng)
        white = np.sqrt(_power(self.white, g) / (2 * step_second))
        if white.any():
            total += white * rng.standard_normal(total.shape)
        return total


def mean_share(y: ArrayLike) -> FloatArray:
    """2 (y - 1 + exp(-y)) / y^2: variance of the mean over y correlation times, of a component of variance 1."""
    x = np.asarray(y, dtype=np.float64)
    safe = np.where(x < _SMALL, 1.0, x)
    result: FloatArray = np.where(x < _SMALL, 1.0 - x / 3.0 + x**2 / 12.0, 2.0 * (safe + np.expm1(-safe)) / safe**2)
    return result


def window_share(y: ArrayLike) -> FloatArray:
    """(1 - exp(-y)) / y: covariance of the value at a window's edge with the mean over it."""
    x = np.asarray(y, dtype=np.float64)
    safe = np.where(x < _SMALL, 1.0, x)
    result: FloatArray = np.where(x < _SMALL, 1.0 - x / 2.0 + x**2 / 6.0, -np.expm1(-safe) / safe)
    return result


def _moments_of_step(y: float) -> tuple[float, float, float, float, float]:
    """Given the state x at a step's start, that at its end is e x + a n and the mean s x + b n + c m, n and m normal.

    var end = 1 - e^2, cov(end, mean) = s (1 - e), var mean = mean_share - s^2, each given x.
    """
    e, s = float(np.exp(-y)), float(window_share(y))
    a = float(np.sqrt(-np.expm1(-2 * y)))
    b = s * -float(np.expm1(-y)) / a
    c = float(np.sqrt(max(float(mean_share(y)) - s**2 - b**2, 0.0)))
    return e, s, a, b, c


def _unit_step(y: float, rng: np.random.Generator, state: FloatArray) -> FloatArray:
    """Mean over a step y correlation times long, of components of variance 1; moves `state` to the step's end."""
    e, s, a, b, c = _moments_of_step(y)
    normal = rng.standard_normal(state.shape)
    mean: FloatArray = s * state + b * normal + c * rng.standard_normal(state.shape)
    state *= e
    state += a * normal
    return mean


def _unit_step_means(y: float, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Means over successive steps, y correlation times long, of a component of variance 1; `shape` [n_step, ...]."""
    e, s, a, b, c = _moments_of_step(y)
    noise = rng.standard_normal(shape)
    start = rng.standard_normal(shape[1:])
    driven, _ = lfilter([a], [1.0, -e], noise[:-1], axis=0, zi=(e * start)[np.newaxis])
    state = np.concatenate([start[np.newaxis], driven])
    result: FloatArray = s * state + b * noise + c * rng.standard_normal(shape)
    return result


def _power(coefficient: FloatArray, g: FloatArray | float) -> FloatArray:
    result: FloatArray = np.asarray(coefficient[0] + (coefficient[1] + coefficient[2] * g) * g)
    return result
