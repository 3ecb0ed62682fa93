"""Spectrum and sigma(t) of traces, each with a 95 % band, beside what a fitted process expects of such traces.

The mean of a trace takes with it what is slower than the trace: the variance of block means about it is
V(t) - V(T), T the trace's length, not V(t). Bands are those of chi-squared with as many degrees of freedom as the
process leaves in the data (Satterthwaite): 2 mean^2 / variance of the estimate.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.stats import chi2

from calibration.noise_data import NoiseTraces
from tilemodel.noise.process import LorentzianNoise

__all__ = ["trace_curves"]

FloatArray = NDArray[np.float64]

_CONFIDENCE = 0.95
# Windows of more than this share of a trace leave too few of them
_LONGEST = 1 / 8
_SEGMENTS = 8
# Hann windows that overlap by half: independent ones a segment (Percival and Walden, section 8.8)
_INDEPENDENT = 0.95


def trace_curves(traces: NoiseTraces, process: LorentzianNoise, g_reference_siemens: float) -> dict[str, FloatArray]:
    """Curves at the conductance `g_reference_siemens`; traces of others are scaled as the process does.

    `f_hertz`, `density`, `density_low`, `density_high` [siemens^2/hertz]; `t_second`, `sigma`, `sigma_low`,
    `sigma_high`, `sigma_expected` [siemens] about the traces' means; `sigma_process`, that of the process itself.
    """
    return _spectrum(traces, process, g_reference_siemens) | _sigma(traces, process, g_reference_siemens)


def _scale(traces: NoiseTraces, process: LorentzianNoise, g_reference: float) -> FloatArray:
    """Variance of the process at each trace's conductance over that at the reference, [n_trace]."""
    mean = traces.g_siemens.mean(axis=1)
    step = traces.step_second
    ratio = process.sigma_siemens(mean, step) / process.sigma_siemens(g_reference, step)
    return ratio**2


def _spectrum(traces: NoiseTraces, process: LorentzianNoise, g_reference: float) -> dict[str, FloatArray]:
    n_trace, n = traces.g_siemens.shape
    length = max(n // _SEGMENTS, 16)
    f, each = welch(traces.g_siemens, fs=1 / traces.step_second, nperseg=length, axis=1)
    density = (each / _scale(traces, process, g_reference)[:, np.newaxis]).mean(axis=0)[2:-1]
    n_segment = n_trace * (2 * n / length - 1) / 2 * _INDEPENDENT
    low, high = _band(np.full(density.size, 2 * n_segment))
    return {"f_hertz": f[2:-1], "density": density, "density_low": density * low, "density_high": density * high}


def _sigma(traces: NoiseTraces, process: LorentzianNoise, g_reference: float) -> dict[str, FloatArray]:
    n_trace, n = traces.g_siemens.shape
    sizes = 2 ** np.arange(int(np.log2(max(n * _LONGEST, 1))) + 1)
    scale = _scale(traces, process, g_reference)[:, np.newaxis]
    variance, expected, freedom = np.empty((3, sizes.size))
    for index, size in enumerate(sizes.tolist()):
        n_block = n // size
        blocks = traces.g_siemens[:, : n_block * size].reshape(n_trace, n_block, size).mean(axis=2)
        centred = blocks - blocks.mean(axis=1, keepdims=True)
        variance[index] = (centred**2 / scale).mean()
        covariance = process.step_covariance(g_reference, size * traces.step_second, n_block)
        whole = float(process.sigma_siemens(g_reference, n_block * size * traces.step_second)) ** 2
        expected[index] = covariance[0] - whole
        freedom[index] = n_trace * _freedom(covariance - whole)
    low, high = _band(freedom)
    t = sizes * traces.step_second
    return {
        "t_second": t,
        "sigma": np.sqrt(variance),
        "sigma_low": np.sqrt(variance * low),
        "sigma_high": np.sqrt(variance * high),
        "sigma_expected": np.sqrt(np.maximum(expected, 0.0)),
        "sigma_process": process.sigma_siemens(g_reference, t),
    }


def _freedom(covariance: FloatArray) -> float:
    """Degrees of freedom of the mean square of n values with the autocovariance `covariance` [n]."""
    n = covariance.size
    weight = np.where(np.arange(n) == 0, 1.0, 2.0) * (n - np.arange(n)) / n**2
    return float(covariance[0] ** 2 / (weight @ covariance**2))


def _band(freedom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factors of an estimated variance to the ends of its confidence interval."""
    tail = (1 - _CONFIDENCE) / 2
    return freedom / chi2.isf(tail, freedom), freedom / chi2.ppf(tail, freedom)
