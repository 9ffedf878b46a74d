"""KID against plain loops over pairs, and what subsets, seeds and sizes change."""

import itertools

import numpy as np
import pytest
import torch

from harness import UserError
from harness.features import FeatureSet
from harness_image_metrics import KernelConfig, kernel
from harness_image_metrics.kernel import KernelDistance, shared_mmds, squared_mmd


def features(n, d=5, seed=0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def by_loops(x, y):
    """The unbiased estimate, pair by pair."""

    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    m = len(x)
    within = sum(k(s[i], s[j]) for s in (x, y) for i, j in itertools.permutations(range(m), 2)) / (m * (m - 1))
    return within - 2 * sum(k(a, b) for a in x for b in y) / m**2


def value(x, y, **settings):
    generated, real = (FeatureSet.of_rows("rows", features=rows.astype(np.float32)) for rows in (x, y))
    return KernelDistance(KernelConfig(**settings))(generated, real, torch.Generator())


@pytest.mark.parametrize("m", [2, 3, 8])
def test_the_estimate_is_the_sum_over_pairs(m):
    x, y = features(m), features(m, seed=1, shift=0.3)
    assert squared_mmd(x, y) == pytest.approx(by_loops(x, y), rel=1e-12)


def test_subsets_share_one_kernel_and_keep_their_own_values():
    x, y = features(12), features(9, seed=1)
    pairs = [(np.array([0, 3, 5]), np.array([8, 1, 2])), (np.array([11, 2, 7]), np.array([0, 4, 5]))]
    expected = [by_loops(x[rows], y[columns]) for rows, columns in pairs]
    assert shared_mmds(x, y, pairs) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("block", [1, 4, 100])
def test_the_blocks_of_a_shared_kernel_do_not_matter(monkeypatch, block):
    x, y = features(11), features(13, seed=1)
    pairs = [(np.arange(7), np.arange(5, 12)), (np.arange(3, 10), np.arange(7))]
    monkeypatch.setattr(kernel, "BLOCK", block)
    assert shared_mmds(x, y, pairs) == pytest.approx([by_loops(x[a], y[b]) for a, b in pairs], rel=1e-10)


def test_sets_that_are_alike_have_values_on_both_sides_of_0():
    values = [squared_mmd(features(50, seed=seed), features(50, seed=1000 + seed)) for seed in range(40)]
    assert min(values) < 0 < max(values)


def test_a_shift_is_seen_and_a_larger_one_more():
    x = features(200)
    near, far = (squared_mmd(x, features(200, seed=1, shift=shift)) for shift in (0.2, 0.6))
    assert 0 < near < far


def test_the_value_is_the_mean_over_the_subsets_that_the_seed_draws():
    x, y = features(40), features(40, seed=1)
    random = np.random.RandomState(7)
    drawn = [(random.choice(40, 8, replace=False), random.choice(40, 8, replace=False)) for _ in range(5)]
    rows = x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)
    values = [squared_mmd(rows[0][a], rows[1][b]) for a, b in drawn]
    found = value(x, y, subsets=5, subset_size=8, seed=7)
    assert found["kid"] == pytest.approx(np.mean(values), rel=1e-9)
    assert found["kid sd"] == pytest.approx(np.std(values), rel=1e-9)


def test_another_seed_draws_other_subsets():
    x, y = features(40), features(40, seed=1)
    settings = {"subsets": 5, "subset_size": 8}
    assert value(x, y, **settings) == value(x, y, **settings)
    assert value(x, y, **settings)["kid"] != value(x, y, seed=1, **settings)["kid"]


def test_the_whole_of_both_sets_is_one_value_without_a_spread():
    x, y = features(20), features(20, seed=1)
    found = value(x, y, subsets=3, subset_size=20)
    assert set(found) == {"kid"}
    rows = x.astype(np.float32).astype(np.float64), y.astype(np.float32).astype(np.float64)
    assert found["kid"] == pytest.approx(squared_mmd(*rows), rel=1e-9)
    assert "kid sd" in value(x, features(21, seed=1), subsets=3, subset_size=20)


@pytest.mark.parametrize(("n", "m"), [(9, 50), (50, 9)])
def test_a_subset_larger_than_a_set_is_refused_with_a_size_that_works(n, m):
    with pytest.raises(UserError, match="kid draws subsets of 10 images, and there are 9; set subset_size to at most 9"):
        value(features(n), features(m), subset_size=10)


def test_a_stop_request_ends_a_long_kernel():
    from harness.errors import Interrupted
    from harness.process import stop

    stop.request()
    try:
        with pytest.raises(Interrupted):
            value(features(30), features(30, seed=1), subset_size=10, subsets=50)
    finally:
        stop.clear()
