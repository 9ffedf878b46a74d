import math
import random
import statistics
from dataclasses import astuple

import pytest

from harness.report.scores import Score, mean, score_of


def test_a_score_is_the_mean_and_the_sample_standard_deviation():
    # By hand: the deviations from 3 are 2, 1, 0 and 3; (4 + 1 + 0 + 9) / 3.
    assert astuple(score_of([1.0, 2.0, 3.0, 6.0])) == pytest.approx((3.0, (14 / 3) ** 0.5, 4))


def test_one_value_has_no_deviation():
    assert score_of([2.0]) == Score(2.0, None, 1)


def test_equal_values_have_no_spread():
    # Ten times 0.1 sums up to less than 1 where each sum is rounded; the mean would differ from 0.1, and the spread from 0.
    assert score_of([0.1] * 10) == Score(0.1, 0.0, 10)


def test_a_small_value_between_large_ones_is_not_lost():
    assert mean([1e16, 1.0, -1e16]) == 1 / 3


def test_the_order_of_the_values_does_not_matter():
    numbers = random.Random(0)
    values = [numbers.gauss(0, 1) * 10 ** numbers.randint(-8, 8) for _ in range(1000)]
    shuffled = numbers.sample(values, len(values))
    assert score_of(shuffled) == score_of(values)


def test_scores_agree_with_the_standard_library():
    numbers = random.Random(1)
    values = [numbers.gauss(5, 2) for _ in range(100)]
    score = score_of(values)
    assert score.mean == pytest.approx(statistics.mean(values), rel=1e-14)
    assert score.sd == pytest.approx(statistics.stdev(values), rel=1e-12)


def test_a_value_that_is_not_finite_spoils_the_score_and_is_seen():
    assert math.isnan(score_of([1.0, math.nan]).mean)
