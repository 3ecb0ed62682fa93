"""How far a sample may lie from its expectation before a test fails, for a stated rate of false alarms.

Every run of the suite makes fewer than `N_CHECK` such comparisons, each two-sided, so that all of them together raise a
false alarm in fewer than `FALSE_ALARMS_PER_RUN` runs, were the seeds not fixed.
"""

import numpy as np
from scipy.stats import chi2, norm

FALSE_ALARMS_PER_RUN = 1e-6
N_CHECK = 4000
ALPHA = FALSE_ALARMS_PER_RUN / N_CHECK


def assert_mean(sample, expected, sigma, *, systematic=0.0):
    """Mean over axis 0 of a normal `sample` of standard deviation `sigma`; `systematic` is added to the bound."""
    bound = norm.isf(ALPHA / 2) * np.asarray(sigma) / np.sqrt(len(sample)) + systematic
    assert (np.abs(np.mean(sample, axis=0) - expected) < bound).all()


def assert_variance(sample, expected, *, systematic=0.0):
    """Variance over axis 0 of a normal `sample`; `systematic` is a relative error of `expected` that is allowed."""
    n = len(sample) - 1
    ratio = np.var(sample, axis=0, ddof=1) / expected
    assert (ratio < (1 + systematic) * chi2.isf(ALPHA / 2, n) / n).all(), ratio
    assert (ratio > (1 - systematic) * chi2.ppf(ALPHA / 2, n) / n).all(), ratio


def assert_correlation(first, second, expected):
    """Correlation of two normal samples [n], by Fisher's transformation."""
    measured = np.corrcoef(first, second)[0, 1]
    bound = norm.isf(ALPHA / 2) / np.sqrt(len(first) - 3)
    assert abs(np.arctanh(measured) - np.arctanh(expected)) < bound, (measured, expected)
