"""Fit laws of read noise to traces: debiased Whittle likelihood of all periodograms, candidates on held-out traces.

The expected periodogram of n samples follows exactly from the autocovariance of the samples (means over their
intervals), aliasing, leakage and all: the transform of (1 - lag / n) c(lag). Its ordinates are exponentially
distributed and nearly independent. See Sykulski et al., Biometrika 106, 251 (2019).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from calibration.noise_curves import trace_curves
from calibration.noise_data import NoiseTraces
from calibration.noise_fit import Estimate, NoiseFit, choose, undecided
from tilemodel.config.errors import InputError
from tilemodel.config.noise import PowerLawReadNoise, ReadNoise, TelegraphNoise
from tilemodel.noise.process import LorentzianNoise
from tilemodel.noise.read_noise import read_noise_process, telegraph_process

__all__ = ["fit_traces"]

FloatArray = NDArray[np.float64]

# Cut-offs that the data do not show lie these factors outside of their frequencies: so far that the law reaches the
# ends of the spectrum within 2 % for exponents from 0.5 to 1.2
_SLOWER, _FASTER = 100.0, 1000.0
# Conductances that differ by less than this factor do not tell how noise depends on them
_G_RANGE = 1.5
_STEP = 1e-4


@dataclass(frozen=True, kw_only=True)
class _Law:
    """A candidate: parameters theta with their starting values and bounds."""

    name: str
    names: tuple[str, ...]
    start: tuple[float, ...]
    bounds: tuple[tuple[float, float], ...]


class _Periodograms:
    """One-sided periodograms of traces [n_trace, n_frequency] without the mean and Nyquist's frequency."""

    def __init__(self, traces: NoiseTraces) -> None:
        self.step, self.n = traces.step_second, traces.g_siemens.shape[1]
        self.g = traces.g_siemens.mean(axis=1)
        spectrum = np.fft.rfft(traces.g_siemens - self.g[:, np.newaxis], axis=1)
        self._used = slice(1, (self.n + 1) // 2)
        self.ordinate = (2 * self.step / self.n * np.abs(spectrum) ** 2)[:, self._used]
        self._rates, self._unit = np.zeros(0), np.zeros((0, self.ordinate.shape[1]))

    def expected(self, process: LorentzianNoise) -> FloatArray:
        """Expected periodogram of each trace, [n_trace, n_frequency]."""
        if not np.array_equal(process.rate_per_second, self._rates):
            self._rates = process.rate_per_second
            self._unit = np.array([self._of_unit_variance(rate) for rate in self._rates.tolist()])
        white = process.white[:, np.newaxis] * np.ones(self.ordinate.shape[1])
        c0, c1, c2 = process.weight @ self._unit + white
        g = self.g[:, np.newaxis]
        result: FloatArray = c0 + (c1 + c2 * g) * g
        return result

    def _of_unit_variance(self, rate_per_second: float) -> FloatArray:
        """Of one component of variance 1, [n_frequency]."""
        one = LorentzianNoise(
            rate_per_second=np.array([rate_per_second]), weight=np.array([[1.0], [0.0], [0.0]]), white=np.zeros(3)
        )
        covariance = one.step_covariance(0.0, self.step, self.n) * (1 - np.arange(self.n) / self.n)
        spectrum: FloatArray = 2 * self.step * (2 * np.fft.rfft(covariance).real - covariance[0])
        return spectrum[self._used]

    def log_likelihood(self, process: LorentzianNoise) -> FloatArray:
        """Of each ordinate, [n_trace, n_frequency]."""
        expected = np.maximum(self.expected(process), np.finfo(float).tiny)
        result: FloatArray = -np.log(expected) - self.ordinate / expected
        return result


class _Fitter:
    """What theta means for given traces."""

    def __init__(self, traces: NoiseTraces) -> None:
        self.duration, self.step = traces.duration_second, traces.step_second
        mean = traces.g_siemens.mean(axis=1)
        self.g_reference = float(np.exp(np.log(mean).mean()))
        self.tells_g = bool(mean.max() > _G_RANGE * mean.min())
        self.f_reference = float(np.sqrt(1 / self.duration * 0.5 / self.step))
        relative = float((traces.g_siemens.std(axis=1) / mean).mean())
        self.root_density = relative / np.sqrt(np.log(0.5 * self.duration / self.step) * self.f_reference)
        self.relative = relative

    def laws(self) -> list[_Law]:
        """The candidates; a share of the noise that does not grow with G only where conductances differ."""
        share = (("offset_share",), (0.0,), ((-8.0, 8.0),)) if self.tells_g else ((), (), ())
        log = np.log
        power = (
            ("log_root_density", "beta", *share[0]),
            (log(self.root_density), 1.0, *share[1]),
            ((log(self.root_density) - 14, log(self.root_density) + 14), (0.05, 1.9), *share[2]),
        )
        f_nyquist, f_low = 0.5 / self.step, 1 / self.duration
        white = (("log_f_white",), (log(f_nyquist / 4),), ((log(f_low), log(f_nyquist * 100)),))
        fast, slow = log(20 / self.step), log(0.1 / self.duration)
        jump = (
            ("log_amplitude", "log_rate"),
            (log(2 * self.relative), log(10 / self.duration)),
            ((log(self.relative) - 10, log(self.relative) + 6), (slow, fast)),
        )
        return [
            _Law(name="power_law", names=power[0], start=power[1], bounds=power[2]),
            _Law(
                name="power_law_white",
                names=power[0] + white[0],
                start=power[1] + white[1],
                bounds=power[2] + white[2],
            ),
            _Law(name="telegraph", names=jump[0], start=jump[1], bounds=jump[2]),
        ]

    def config(self, law: _Law, theta: FloatArray) -> ReadNoise | TelegraphNoise:
        """The tables of a tile file that theta means."""
        value = dict(zip(law.names, theta.tolist(), strict=True))
        if law.name == "telegraph":
            stay = 2 / np.exp(value["log_rate"])  # both states alike: variance (amplitude G)^2 / 4
            amplitude = float(np.exp(value["log_amplitude"]))
            return TelegraphNoise(cell_fraction=1.0, amplitude=amplitude, t_high_second=stay, t_low_second=stay)
        share = 1 / (1 + np.exp(-value["offset_share"])) if self.tells_g else 0.0
        root = float(np.exp(value["log_root_density"]))
        return PowerLawReadNoise(
            kind="power_law",
            beta=value["beta"],
            density_slope_per_root_hertz=root * (1 - share),
            density_offset_siemens_per_root_hertz=root * share * self.g_reference,
            f_reference_hertz=self.f_reference,
            f_low_hertz=1 / (_SLOWER * self.duration),
            f_high_hertz=_FASTER / self.step,
            f_white_hertz=float(np.exp(value["log_f_white"])) if "log_f_white" in value else None,
            t_min_second=self.step,
            t_max_second=self.duration,
        )

    def process(self, law: _Law, theta: FloatArray) -> LorentzianNoise:
        config = self.config(law, theta)
        return telegraph_process(config) if isinstance(config, TelegraphNoise) else read_noise_process(config)


def fit_traces(traces: NoiseTraces) -> NoiseFit:
    """Fit all candidates, choose by held-out traces (or the second half of a single one), fit the choice to all data.

    Raises `InputError` if no candidate can be fitted.
    """
    fitter = _Fitter(traces)
    laws = fitter.laws()
    train, test = _halves(traces)
    train_data, test_data = _Periodograms(train), _Periodograms(test)
    fitted = [_maximised(fitter, law, train_data) for law in laws]
    scores = np.array(
        [test_data.log_likelihood(fitter.process(law, t)).ravel() for law, t in zip(laws, fitted, strict=True)]
    )
    index, candidates = choose([law.name for law in laws], [len(law.names) for law in laws], scores)
    law, data = laws[index], _Periodograms(traces)
    theta = _maximised(fitter, law, data)
    error = _standard_errors(fitter, law, theta, data)
    config, process = fitter.config(law, theta), fitter.process(law, theta)
    return NoiseFit(
        law=config,
        parameters={
            name: Estimate(value=float(value), standard_error=float(deviation))
            for name, value, deviation in zip(law.names, theta, error, strict=True)
        },
        candidates=candidates,
        curves=trace_curves(traces, process, fitter.g_reference),
        g_reference_siemens=fitter.g_reference,
        unknown=(*_unknown(fitter, law, theta, error, len(traces.g_siemens)), *undecided(candidates, index)),
        source=f"{traces.name}, sha256 {traces.sha256}",
    )


def _halves(traces: NoiseTraces) -> tuple[NoiseTraces, NoiseTraces]:
    n_trace, n = traces.g_siemens.shape
    if n_trace > 1:
        return traces.part(slice(0, None, 2), slice(None)), traces.part(slice(1, None, 2), slice(None))
    return traces.part(slice(None), slice(0, n // 2)), traces.part(slice(None), slice(n // 2, 2 * (n // 2)))


def _maximised(fitter: _Fitter, law: _Law, data: _Periodograms) -> FloatArray:
    def cost(theta: FloatArray) -> float:
        return -float(data.log_likelihood(fitter.process(law, theta)).mean())

    result = minimize(cost, law.start, method="L-BFGS-B", bounds=law.bounds, options={"maxiter": 200})
    if not np.isfinite(result.fun):
        raise InputError(f"noise traces: the law {law.name} cannot be fitted; are the samples noise at all?")
    theta: FloatArray = result.x
    return theta


def _standard_errors(fitter: _Fitter, law: _Law, theta: FloatArray, data: _Periodograms) -> FloatArray:
    """From the expected information of exponentially distributed ordinates, sum of d ln S d ln S."""
    slopes = []
    for index in range(theta.size):
        shift = np.zeros(theta.size)
        shift[index] = _STEP
        up, down = (np.log(data.expected(fitter.process(law, theta + sign * shift))) for sign in (1, -1))
        slopes.append(((up - down) / (2 * _STEP)).ravel())
    jacobian = np.array(slopes)
    covariance = np.linalg.pinv(jacobian @ jacobian.T, hermitian=True)
    result: FloatArray = np.sqrt(np.diag(covariance))
    return result


def _unknown(fitter: _Fitter, law: _Law, theta: FloatArray, error: FloatArray, n_trace: int) -> list[str]:
    duration, step = fitter.duration, fitter.step
    told = [
        f"noise slower than the traces ({duration:.3g} s) cannot be told from their means: f_low_hertz is assumed",
        f"noise faster than their samples ({step:.3g} s) is not seen: f_high_hertz is assumed",
    ]
    if not fitter.tells_g:
        told.append("how noise depends on the conductance: the traces have one conductance; proportional is assumed")
    if n_trace == 1:
        told.append("how devices differ: there is one trace")
    for name, value, deviation, (low, high) in zip(law.names, theta, error, law.bounds, strict=True):
        at_bound = min(value - low, high - value) < 1e-3 * (high - low)
        if name in ("beta", "log_root_density", "log_rate", "log_amplitude") and (deviation > 0.25 or at_bound):
            told.append(f"{name} = {value:.3g} +- {deviation:.2g}: the traces are too short to determine it")
        if name == "log_f_white" and (deviation > 1.0 or at_bound):
            told.append("where white noise takes over: not within the frequencies of the traces")
        if name == "offset_share" and (deviation > 1.0 or at_bound):
            told.append(
                "which share of the noise does not grow with the conductance: use a wider range of conductances"
            )
    return told
