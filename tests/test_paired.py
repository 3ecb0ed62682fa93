"""Paired differences: their interval holds the truth as often as it says."""

import numpy as np
import pytest
from scipy import stats

from tilemodel.config.errors import InputError
from tilemodel.paired import paired_difference


def test_one_seed_is_the_paired_t_test(rng):
    score, baseline = rng.normal(size=(1, 200)), rng.normal(size=(1, 200))
    found = paired_difference(score, baseline)
    low, high = stats.ttest_rel(score[0], baseline[0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize(("by_example", "by_seed"), [(1.0, 0.0), (0.2, 0.2), (0.0, 0.0)])
def test_intervals_hold_the_truth_as_often_as_they_say(rng, by_example, by_seed):
    n_trial, n_seed, n_example, truth = 400, 5, 80, 0.3
    held = 0
    for _ in range(n_trial):
        shared = by_example * rng.normal(size=(1, n_example)) + by_seed * rng.normal(size=(n_seed, 1))
        found = paired_difference(truth + shared + rng.normal(size=(n_seed, n_example)), np.zeros((1, n_example)))
        held += found.low <= truth <= found.high
    # 95 %, and four standard deviations of the count below; the interval may be too wide, never too narrow
    assert held / n_trial > 0.95 - 4 * np.sqrt(0.95 * 0.05 / n_trial)
    assert by_example < 1 or held / n_trial < 0.99


def test_the_same_scores_differ_by_nothing(rng):
    score = rng.normal(size=(3, 20))
    found = paired_difference(score, score)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not found.is_significant


def test_a_baseline_of_one_seed_serves_all(rng):
    score, baseline = rng.normal(size=(4, 20)), rng.normal(size=(1, 20))
    assert paired_difference(score, baseline) == paired_difference(score, np.repeat(baseline, 4, axis=0))


@pytest.mark.parametrize(
    ("score", "baseline", "message"),
    [
        (np.zeros(5), np.zeros((1, 5)), "n_seed, n_example"),
        (np.zeros((2, 5)), np.zeros((3, 5)), "as many seeds or one"),
        (np.zeros((2, 1)), np.zeros((1, 1)), "at least two examples"),
        (np.full((1, 5), np.nan), np.zeros((1, 5)), "finite"),
    ],
)
def test_what_is_no_score_is_refused(score, baseline, message):
    with pytest.raises(InputError, match=message):
        paired_difference(score, baseline)
