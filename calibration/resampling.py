"""Intervals of a least-squares fit by resampling its outputs: they need no normal noise."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["resampled_interval"]

FloatArray = NDArray[np.float64]

# A point that the fit follows altogether has no residual of its own
_LARGEST_LEVERAGE = 0.99
# Numbers held at a time: draws times residuals, and residuals times pairs of parameters
_BLOCK = 4_000_000
_PAIRS_BLOCK = 40_000_000
# Directions in which a draw tells less than this share of the most that it tells in any
_BLIND = 1e-10
# Stands for infinity, between which and a number there is a middle
_FAR = 1e200


def resampled_interval(
    jacobian: FloatArray,
    residual: FloatArray,
    covariance: FloatArray,
    confidence: float,
    n_resample: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Ends of the interval of how the fit moves when outputs are drawn anew with replacement, [2, n_free].

    One Gauss-Newton step from the fit for each draw. Residuals are divided by what the fit took from them,
    sqrt(1 - leverage). The ends are the draws of rank p (n_resample + 1): between them a new draw falls as often as
    `confidence` says, however few the draws; the usual quantile, of rank p (n_resample - 1) + 1, lies further in.
    A draw may leave out what determines a parameter: it counts as beyond either end, NaN where such draws reach it.
    `jacobian` [n, n_free], `residual` [n], `covariance` (J^T J)^-1.
    """
    root: FloatArray = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    white = jacobian @ root  # orthonormal columns
    leverage = np.clip((white**2).sum(axis=1), 0.0, _LARGEST_LEVERAGE)
    spread = residual / np.sqrt(1 - leverage)
    n, n_free = white.shape
    at_once = n * n_free**2 <= _PAIRS_BLOCK
    products = (white[:, :, np.newaxis] * white[:, np.newaxis, :]).reshape(n, -1) if at_once else None
    shifts = []
    each = max(1, _BLOCK // n)
    for first in range(0, n_resample, each):
        n_draw = min(each, n_resample - first)
        times = rng.multinomial(n, np.full(n, 1 / n), n_draw).astype(np.float64)
        if products is not None:
            information = (times @ products).reshape(n_draw, n_free, n_free)
        else:
            information = np.array([white.T @ (each_time[:, np.newaxis] * white) for each_time in times])
        pull = (times * spread) @ white
        shifts.append(-_steps(information, pull, root))
    return _ends(np.concatenate(shifts), confidence)


def _steps(information: FloatArray, pull: FloatArray, root: FloatArray) -> FloatArray:
    """Gauss-Newton steps of draws [n_draw, n_free]; NaN for a parameter that a draw does not determine."""
    try:
        steps: FloatArray = np.linalg.solve(information, pull[..., np.newaxis])[..., 0] @ root.T
        return steps
    except np.linalg.LinAlgError:
        if len(information) > 1:
            pairs = zip(information, pull, strict=True)
            return np.concatenate([_steps(one[np.newaxis], its_pull[np.newaxis], root) for one, its_pull in pairs])
    value, vector = np.linalg.eigh(information[0])
    blind = value <= _BLIND * value[-1]
    seen = vector[:, ~blind]
    step: FloatArray = root @ (seen @ (seen.T @ pull[0] / value[~blind]))
    reach = np.linalg.norm(root @ vector[:, blind], axis=1)
    step[reach > _BLIND * np.linalg.norm(root, axis=1)] = np.nan
    return step[np.newaxis]


def _ends(shifts: FloatArray, confidence: float) -> FloatArray:
    """Ends of the interval, [2, n_free]; draws that say nothing of a parameter lie beyond both; NaN there."""
    tails = (0.5 - confidence / 2, 0.5 + confidence / 2)
    far = (np.where(np.isnan(shifts), beyond, shifts) for beyond in (-_FAR, _FAR))
    ends = np.stack([np.quantile(*both, axis=0, method="weibull") for both in zip(far, tails, strict=True)])
    return np.where(np.abs(ends) < _FAR / 1e6, ends, np.nan)
