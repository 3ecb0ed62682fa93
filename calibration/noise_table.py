"""Fit laws of read noise to a table of sigma by conductance and duration; candidates on held-out rows.

Candidates: polynomials sigma = a(x) G + b(x) in x = log10(t / t_reference), of degree 1 to 4, linear in their
coefficients; and the power law of the spectrum. Errors are relative: 1 / sqrt(2 n) of a sigma from n reads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.noise_data import SigmaTable
from calibration.noise_fit import Estimate, NoiseFit, choose, undecided
from tilemodel.config.errors import InputError
from tilemodel.config.noise import PolynomialReadNoise, PowerLawReadNoise, ReadNoise
from tilemodel.noise.read_noise import law_sigma_siemens, read_noise_process

__all__ = ["fit_table"]

FloatArray = NDArray[np.float64]
Rows = NDArray[np.bool_]

_FOLDS = 5
_MAX_DEGREE = 4
_G_RANGE = 1.5
_BEYOND = 10.0


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    law: ReadNoise
    names: tuple[str, ...]
    value: FloatArray
    covariance: FloatArray
    """Of the values, for relative errors of one standard deviation a row."""


@dataclass(frozen=True, kw_only=True)
class _Law:
    name: str
    n_parameter: int
    fit: Callable[[SigmaTable, Rows], _Fitted | None]


def fit_table(table: SigmaTable) -> NoiseFit:
    """Fit all candidates that the rows can carry, choose by five-fold cross-validation, fit the choice to all rows.

    Raises `InputError` where there are too few rows.
    """
    n = table.t_second.size
    n_time = np.unique(table.t_second).size
    if n < 2 * _FOLDS or n_time < 4:
        raise InputError(
            f"{table.name}: {n} rows at {n_time} durations; a law needs at least {2 * _FOLDS} rows at 4 durations"
        )
    tells_g = bool(table.g_siemens.max() > _G_RANGE * max(float(table.g_siemens.min()), 1e-12))
    laws = [law for law in _laws(tells_g, n_time) if law.n_parameter <= n * (1 - 1 / _FOLDS) / 2]
    scores = np.array([_held_out(table, law) for law in laws])
    sound = np.isfinite(scores).all(axis=1)
    if not sound.any():
        raise InputError(f"{table.name}: no law can be fitted; does sigma fall with the duration?")
    laws, scores = [law for law, ok in zip(laws, sound, strict=True) if ok], scores[sound]
    index, candidates = choose([law.name for law in laws], [law.n_parameter for law in laws], scores)
    fitted = laws[index].fit(table, np.ones(n, dtype=bool))
    assert fitted is not None  # it was with four fifths of the rows
    scale = _relative_error(table, fitted)
    error = scale * np.sqrt(np.diag(fitted.covariance))
    return NoiseFit(
        law=fitted.law,
        parameters={
            name: Estimate(value=float(value), standard_error=float(deviation))
            for name, value, deviation in zip(fitted.names, fitted.value, error, strict=True)
        },
        candidates=candidates,
        curves=_curves(table, fitted.law, scale),
        g_reference_siemens=float(np.median(table.g_siemens)),
        unknown=(*_unknown(table, tells_g), *undecided(candidates, index)),
        source=f"{table.name}, sha256 {table.sha256}",
    )


def _laws(tells_g: bool, n_time: int) -> list[_Law]:
    per_degree = 2 if tells_g else 1

    def polynomial(degree: int) -> Callable[[SigmaTable, Rows], _Fitted | None]:
        return lambda table, rows: _polynomial(table, rows, degree, tells_g)

    polynomials = [
        _Law(name=f"polynomial of degree {degree}", n_parameter=per_degree * (degree + 1), fit=polynomial(degree))
        for degree in range(1, min(_MAX_DEGREE, n_time - 2) + 1)
    ]
    power = _Law(name="power_law", n_parameter=1 + per_degree, fit=lambda table, rows: _power(table, rows, tells_g))
    return [power, *polynomials]


def _held_out(table: SigmaTable, law: _Law) -> FloatArray:
    """Log-likelihood of each row under the fit to the folds that it is not in, up to a constant; -inf: no fit."""
    fold = np.random.default_rng(0).permutation(table.t_second.size) % _FOLDS
    score = np.full(table.t_second.size, -np.inf)
    for held in range(_FOLDS):
        rows = fold == held
        fitted = law.fit(table, ~rows)
        if fitted is None:
            return score
        expected = _sigma(fitted.law, table.g_siemens[rows], table.t_second[rows])
        if (expected <= 0).any():
            return score
        score[rows] = -0.5 * _weight(table)[rows] ** 2 * np.log(table.sigma_siemens[rows] / expected) ** 2
    return score


def _weight(table: SigmaTable) -> FloatArray:
    """Inverse relative error of each sigma; of all alike where it is not known."""
    if table.n_sample is None:
        return np.full(table.t_second.size, 100.0)
    return np.sqrt(2 * table.n_sample)


def _relative_error(table: SigmaTable, fitted: _Fitted) -> float:
    """Factor on the weights' errors: 1 where they are known, else what the residuals say."""
    if table.n_sample is not None:
        return 1.0
    expected = _sigma(fitted.law, table.g_siemens, table.t_second)
    residual = _weight(table) * np.log(table.sigma_siemens / expected)
    return float(np.sqrt((residual**2).sum() / max(residual.size - fitted.value.size, 1)))


def _polynomial(table: SigmaTable, rows: Rows, degree: int, tells_g: bool) -> _Fitted | None:
    """Linear least squares of the relative error; None if the law's process cannot be built."""
    g, t, sigma, weight = _of(table, rows)
    reference = float(table.t_second.min())
    powers = np.log10(t / reference)[:, np.newaxis] ** np.arange(degree + 1)
    columns = np.hstack([powers * g[:, np.newaxis], powers]) if tells_g else powers * g[:, np.newaxis]
    scaled = columns * (weight / sigma)[:, np.newaxis]
    size = np.linalg.norm(scaled, axis=0)
    value = np.linalg.lstsq(scaled / size, weight, rcond=None)[0] / size
    covariance = np.linalg.pinv((scaled / size).T @ (scaled / size), hermitian=True) / np.outer(size, size)
    offset = value[degree + 1 :] if tells_g else np.zeros(1)
    law = PolynomialReadNoise(
        kind="polynomial",
        slope=tuple(value[: degree + 1].tolist()),
        offset_siemens=tuple(offset.tolist()),
        t_reference_second=reference,
        t_min_second=reference,
        t_max_second=float(table.t_second.max()),
    )
    try:
        read_noise_process(law)
    except InputError:
        return None
    names = [f"slope[{i}]" for i in range(degree + 1)]
    names += [f"offset_siemens[{i}]" for i in range(degree + 1)] if tells_g else []
    return _Fitted(law=law, names=tuple(names), value=value, covariance=covariance)


def _power(table: SigmaTable, rows: Rows, tells_g: bool) -> _Fitted | None:
    """Least squares of ln sigma over exponent, density, and the share that does not grow with the conductance."""
    g, t, sigma, weight = _of(table, rows)
    g_reference = max(float(np.median(table.g_siemens)), 1e-9)

    def law(theta: FloatArray) -> PowerLawReadNoise:
        share = 1 / (1 + np.exp(-theta[2])) if tells_g else 0.0
        root = float(np.exp(theta[0]))
        return PowerLawReadNoise(
            kind="power_law",
            beta=float(theta[1]),
            density_slope_per_root_hertz=root * (1 - share),
            density_offset_siemens_per_root_hertz=root * share * g_reference,
            f_reference_hertz=1 / float(np.sqrt(table.t_second.min() * table.t_second.max())),
            f_low_hertz=1 / (_BEYOND * float(table.t_second.max())),
            f_high_hertz=_BEYOND / float(table.t_second.min()),
            t_min_second=float(table.t_second.min()),
            t_max_second=float(table.t_second.max()),
        )

    def residual(theta: FloatArray) -> FloatArray:
        result: FloatArray = weight * np.log(sigma / _sigma(law(theta), g, t))
        return result

    t_middle = np.sqrt(table.t_second.min() * table.t_second.max())
    start = np.array([np.log(np.median(sigma) / g_reference * np.sqrt(t_middle)), 1.0, 0.0][: 2 + tells_g])
    low, high = np.array([-60.0, 0.05, -8.0])[: start.size], np.array([60.0, 1.9, 8.0])[: start.size]
    result = least_squares(residual, start, bounds=(low, high), x_scale="jac")
    jacobian: FloatArray = np.asarray(result.jac, dtype=np.float64)
    covariance: FloatArray = np.asarray(np.linalg.pinv(jacobian.T @ jacobian, hermitian=True), dtype=np.float64)
    names = ("log_root_density", "beta", "offset_share")[: start.size]
    return _Fitted(law=law(result.x), names=names, value=result.x, covariance=covariance)


def _of(table: SigmaTable, rows: Rows) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return table.g_siemens[rows], table.t_second[rows], table.sigma_siemens[rows], _weight(table)[rows]


def _sigma(law: ReadNoise, g: FloatArray, t: FloatArray) -> FloatArray:
    if isinstance(law, PolynomialReadNoise):
        return law_sigma_siemens(law, g, t)
    return read_noise_process(law).sigma_siemens(g, t)


def _curves(table: SigmaTable, law: ReadNoise, scale: float) -> dict[str, FloatArray]:
    """The table's rows with their 95 % bands beside the process that was fitted."""
    width = 1.96 * scale / _weight(table)
    return {
        "g_siemens": table.g_siemens,
        "t_second": table.t_second,
        "sigma": table.sigma_siemens,
        "sigma_low": table.sigma_siemens * np.exp(-width),
        "sigma_high": table.sigma_siemens * np.exp(width),
        "sigma_process": read_noise_process(law).sigma_siemens(table.g_siemens, table.t_second),
    }


def _unknown(table: SigmaTable, tells_g: bool) -> list[str]:
    told = [
        f"noise of reads shorter than {table.t_second.min():.3g} s or longer than {table.t_second.max():.3g} s: "
        "the law is extrapolated there"
    ]
    if not tells_g:
        told.append("how noise depends on the conductance: the table has one; proportional is assumed")
    if table.n_sample is None:
        told.append("the errors of the sigmas (no n_sample): standard errors are from the scatter about the law")
    return told
