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
    `jacobian` [n, n_free], `residual` [n], `covariance` (J^T J)^-1.
    """
    root = np.linalg.cholesky(covariance)
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
        shifts.append(-np.linalg.solve(information, pull[..., np.newaxis])[..., 0] @ root.T)
    tails = (0.5 - confidence / 2, 0.5 + confidence / 2)
    ends: FloatArray = np.quantile(np.concatenate(shifts), tails, axis=0, method="weibull")
    return ends
