"""Paired differences of scores: the same examples, the same seeds, with and without something."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from tilemodel.config.errors import InputError

__all__ = ["PairedDifference", "paired_difference"]


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Mean of score less baseline, with its two-sided confidence interval; in the unit of the scores."""

    mean: float
    low: float
    high: float
    confidence: float
    n_seed: int
    n_example: int

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def paired_difference(score: np.ndarray, baseline: np.ndarray, *, confidence: float = 0.95) -> PairedDifference:
    """Mean difference of scores `[n_seed, n_example]` and a baseline of that shape, or of one seed `[1, n_example]`.

    Examples and seeds are both drawn at random and crossed (two-way random effects, one observation a cell):
    var(mean) = (MS_example + MS_seed - MS_interaction) / (n_seed n_example), degrees of freedom by Satterthwaite.
    With one seed the interval speaks of the examples alone. Without any variation it has no width.

    Raises `InputError` for other shapes, values that are not finite, or fewer than two examples.
    """
    score, baseline = np.asarray(score, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if score.ndim != 2 or baseline.ndim != 2 or baseline.shape not in (score.shape, (1, score.shape[1])):
        raise InputError(
            f"scores of shape {score.shape} and a baseline of shape {baseline.shape}: must be [n_seed, n_example], "
            "the baseline with as many seeds or one"
        )
    n_seed, n_example = score.shape
    if n_example < 2 or n_seed < 1:
        raise InputError(f"{n_seed} seeds of {n_example} examples: an interval needs at least two examples and a seed")
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence}: must lie between 0 and 1")
    difference = score - baseline
    if not np.isfinite(difference).all():
        raise InputError("scores must be finite; a network whose output overflows gives none")
    mean = float(difference.mean())
    variance, freedom = _variance_of_mean(difference)
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(variance)) if variance > 0 else 0.0
    return PairedDifference(
        mean=mean,
        low=mean - half,
        high=mean + half,
        confidence=confidence,
        n_seed=n_seed,
        n_example=n_example,
    )


def _variance_of_mean(difference: np.ndarray) -> tuple[float, float]:
    """Variance of the grand mean of `[n_seed, n_example]`, and its degrees of freedom."""
    n_seed, n_example = difference.shape
    by_example, by_seed, mean = difference.mean(axis=0), difference.mean(axis=1), difference.mean()
    example = n_seed * float(((by_example - mean) ** 2).sum()) / (n_example - 1)
    if n_seed == 1:
        return example / n_example, n_example - 1.0
    seed = n_example * float(((by_seed - mean) ** 2).sum()) / (n_seed - 1)
    residual = difference - by_example - by_seed[:, np.newaxis] + mean
    both = float((residual**2).sum()) / ((n_seed - 1) * (n_example - 1))
    total = max(example + seed - both, example, seed)
    weights = example**2 / (n_example - 1) + seed**2 / (n_seed - 1)
    freedom = total**2 / weights if weights > 0 else n_example - 1.0
    return total / (n_seed * n_example), freedom
