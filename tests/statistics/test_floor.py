import numpy as np
import pytest
from scipy import stats

from harness.statistics.floor import floor_interval, floor_p

PAIRS = [2 - 0.75**0.5] * 2 + [2 + 0.75**0.5] * 2  # mean 2, standard deviation 1


def told(draw, *, seeds=3, draws=4, pairs=10, boards=1000, effect=0.0, shared=0.0):
    """The share of simulated boards on which a model is told from real data at 5 %; a perfect one where the effect is zero."""
    floors, means = draw((boards, pairs)), draw((boards, seeds * draws)).mean(1) + effect
    p = [floor_p(float(mean), seeds * draws, floor, shared=shared) for mean, floor in zip(means, floors, strict=True)]
    return np.mean(np.array(p) <= 0.05)


def test_a_case_solved_by_hand():
    # Standard error sqrt(1/6 + 1/4) = 0.64550; t = 2.32379 with 3 degrees of freedom.
    assert floor_p(3.5, 6, PAIRS) == pytest.approx(2 * stats.t.sf(2.32379, 3), rel=1e-5)
    assert floor_p(0.5, 6, PAIRS) == pytest.approx(floor_p(3.5, 6, PAIRS))


@pytest.mark.parametrize("pairs", [[], [1.0], [1.0, 1.0, 1.0, 1.0]])
def test_a_floor_without_a_spread_makes_no_test(pairs):
    assert floor_p(1.0, 4, pairs) is None
    assert floor_interval([1.0, 2.0], pairs) is None


def test_too_few_pairs_make_no_test_since_nearly_every_row_would_pass_it():
    assert floor_p(9.0, 6, [1.0, 1.1, 1.2]) is None
    assert floor_p(9.0, 6, [1.0, 1.1, 1.2, 1.1]) < 1e-4


@pytest.mark.parametrize(("seeds", "draws", "pairs"), [(1, 2, 10), (3, 4, 10), (5, 1, 10), (5, 4, 20)])
def test_a_perfect_model_is_told_from_real_data_on_5_percent_of_boards(seeds, draws, pairs):
    rng = np.random.default_rng(0)
    rate = told(lambda shape: rng.normal(size=shape), seeds=seeds, draws=draws, pairs=pairs, boards=2000)
    assert rate == pytest.approx(0.05, abs=0.015)  # 2,000 boards: a standard deviation of 0.005


def test_a_skewed_floor_costs_a_percent_or_two():
    # A skewness of 1, as that of the sliced distance between draws of the swiss roll.
    rng = np.random.default_rng(0)
    assert 0.04 < told(lambda shape: rng.gamma(4.0, size=shape), boards=2000) < 0.08


def finite_boards(metric, *, boards, images=200, n=100, seeds=3, shuffles=2, pairs=10, is_one_sided=False, shift=0.0):
    """The share of boards on which a model is told from real data, where all draws are halves of the same images.

    A perfect model where the shift, of each of its 20 numbers in standard deviations, is zero.
    """
    rng, told = np.random.default_rng(0), dict.fromkeys((0.0, n / images), 0)
    for _ in range(boards):
        held_out = rng.normal(size=(images, 20))

        def halves(held_out=held_out):
            order = rng.permutation(images)
            return held_out[order[:n]], held_out[order[n:]]

        floor = [metric(*halves()) for _ in range(pairs)]
        values = [metric(rng.normal(shift, size=(n, 20)), half) for _ in range(seeds * shuffles) for half in halves()]
        for shared in told:
            p = floor_p(float(np.mean(values)), len(values), floor, shared=shared, is_one_sided=is_one_sided)
            told[shared] += int(p <= 0.05)
    return [count / boards for count in told.values()]


def squared_distance(a, b):
    return ((a.mean(0) - b.mean(0)) ** 2).sum()


def share_inside(a, b):
    """Like precision: the share of generated examples among the real ones, here inside of their mean radius."""
    return (np.linalg.norm(a, axis=1) < np.linalg.norm(b, axis=1).mean()).mean()


def mean_of_logarithms(generated, _real):
    """Like the Inception Score: no real examples have a part in it."""
    return np.log(np.linalg.norm(generated, axis=1)).mean()


def test_a_metric_of_one_draw_tells_a_perfect_model_on_5_percent_of_boards_where_draws_share_images():
    assert finite_boards(mean_of_logarithms, boards=1000)[1] > 0.08  # taken for a metric of two draws
    assert finite_boards(mean_of_logarithms, boards=1000, is_one_sided=True)[1] < 0.065


def test_a_one_sided_case_solved_by_hand():
    # Variance of independent draws 1 / (1 - 0.5) = 2: standard error sqrt(2 (1/6 + 0.5) + 1/4) = 1.25831.
    assert floor_p(3.5, 6, PAIRS, shared=0.5, is_one_sided=True) == pytest.approx(2 * stats.t.sf(1.5 / 1.25831, 3), rel=1e-5)
    assert floor_p(3.5, 6, PAIRS, is_one_sided=True) == floor_p(3.5, 6, PAIRS)
    pair, one = (floor_interval([5.0, 6.0], PAIRS, shared=0.5, is_one_sided=is_one_sided) for is_one_sided in (False, True))
    assert one[0] < pair[0] < pair[1] < one[1]


@pytest.mark.parametrize("metric", [squared_distance, share_inside])
def test_draws_that_share_images_tell_a_perfect_model_on_at_most_5_percent_of_boards(metric):
    as_if_independent, as_shared = finite_boards(metric, boards=1000)
    assert as_if_independent > 0.07  # the test without `shared` errs
    assert as_shared < 0.06


def test_an_effect_of_one_and_a_half_deviations_of_the_floor_is_told():
    rng = np.random.default_rng(0)
    assert told(lambda shape: rng.normal(size=shape), effect=1.5) > 0.8


def test_a_model_that_differs_is_told_where_draws_share_images():
    # The squared distance grows from 0.4 ± 0.13 by 20 · 0.15² = 0.45.
    assert finite_boards(squared_distance, boards=1000, shift=0.15)[1] > 0.9


def test_a_row_whose_cells_differ_much_gains_nothing_by_that():
    floor = [1.0, 1.1, 0.9, 1.05, 0.95]
    assert floor_p(2.0, 3, floor) < 0.001  # the mean of 0.5, 2.0 and 3.5


def test_an_interval_is_welchs():
    means, floor = [5.0, 6.0, 8.0], [1.0, 2.0, 3.0, 5.0]
    expected = stats.ttest_ind(means, floor, equal_var=False).confidence_interval(0.95)
    assert floor_interval(means, floor) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("seeds", "spread"), [(3, 1.0), (8, 1.0), (5, 3.0), (8, 0.3)])
def test_an_interval_holds_the_true_difference_on_95_percent_of_boards_whatever_the_rows_own_spread(seeds, spread):
    rng = np.random.default_rng(0)
    boards, truth = 2000, 1.5
    floors, means = rng.normal(size=(boards, 10)), truth + spread * rng.normal(size=(boards, seeds))
    intervals = [floor_interval(of_row, floor) for of_row, floor in zip(means, floors, strict=True)]
    holds = [interval is not None and interval[0] < truth < interval[1] for interval in intervals]
    assert np.mean(holds) == pytest.approx(0.95, abs=0.015)


def test_an_interval_takes_two_seeds_and_widens_where_draws_share_images():
    assert floor_interval([5.0], PAIRS) is None
    apart, shared = floor_interval([5.0, 6.0], PAIRS), floor_interval([5.0, 6.0], PAIRS, shared=0.5)
    assert shared[0] < apart[0] < apart[1] < shared[1]


@pytest.mark.parametrize("is_one_sided", [False, True])
def test_an_interval_with_shared_images_is_what_the_protocol_says(is_one_sided):
    means, share = np.array([5.0, 6.0, 8.0]), 0.25
    pairs = np.array([1.0, 2.0, 3.0, 5.0])
    of_row = means.var(ddof=1) / 3
    of_floor = pairs.var(ddof=1) * (1 / 4 + (share / (1 - share) if is_one_sided else share))
    df = (of_row + of_floor) ** 2 / (of_row**2 / 2 + of_floor**2 / 3)
    slack = stats.t.ppf(0.975, df) * (of_row + of_floor) ** 0.5
    interval = floor_interval(means, pairs, shared=share, is_one_sided=is_one_sided)
    assert interval == pytest.approx((means.mean() - pairs.mean() - slack, means.mean() - pairs.mean() + slack))
