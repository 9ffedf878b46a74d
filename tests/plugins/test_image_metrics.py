"""Metrics on features: cases solved by hand, laws, singular covariances, and what they refuse."""

import numpy as np
import pytest
import torch

from harness import UserError
from harness.components import MetricUsage
from harness.features import FeatureSet, Moments
from harness_image_metrics import (
    DensityConfig,
    FrechetConfig,
    InceptionScoreConfig,
    KernelConfig,
    NeighboursConfig,
    StandardErrorConfig,
    limits,
    neighbours,
)
from harness_image_metrics import frechet as frechet_module
from harness_image_metrics import kernel as kernel_module
from harness_image_metrics.frechet import factor, fid, frechet_distance, trace_of_root
from harness_image_metrics.inception_score import InceptionScore
from harness_image_metrics.kernel import KernelDistance, shared_mmds, squared_mmd
from harness_image_metrics.standard_error import FrechetStandardError


def features(n, d, seed=0, *, shift=0.0, scale=None):
    """Correlated rows with a spectrum that falls as those of networks do."""
    mixing = np.random.default_rng(99).standard_normal((d, d)) / np.sqrt(d)
    spectrum = np.geomspace(1, 1e-2, d) if scale is None else scale
    return (np.random.default_rng(seed).standard_normal((n, d)) * spectrum) @ mixing + shift


def named(rows, **others):
    return FeatureSet.of_rows("rows", features=np.asarray(rows, np.float32), **others)


def gaussian(mean, covariance, n=100):
    return Moments(n, np.asarray(mean, float), np.asarray(covariance, float))


def value(metric, generated, real):
    return next(iter(metric(generated, real, torch.Generator()).values()))


def test_the_distance_of_two_normal_distributions_is_the_one_by_hand():
    # |mu|^2 + sum of (1 - 2)^2
    assert frechet_distance(gaussian(np.zeros(3), np.eye(3)), gaussian(np.ones(3), 4 * np.eye(3))) == pytest.approx(3 + 3)
    # Commuting covariances: sum of (sqrt(a) - sqrt(b))^2, here with a zero in each.
    a, b = np.diag([4.0, 0.0, 1.0]), np.diag([0.0, 9.0, 25.0])
    assert frechet_distance(gaussian(np.zeros(3), a), gaussian(np.zeros(3), b)) == pytest.approx(4 + 9 + 16)
    # Lines at an angle of 60 degrees: tr (S1 S2)^(1/2) = |u . v|
    u, v = np.array([1.0, 0.0]), np.array([0.5, np.sqrt(3) / 2])
    assert trace_of_root(np.outer(u, u), np.outer(v, v)) == pytest.approx(0.5)


def test_without_any_variance_the_distance_is_between_means():
    assert frechet_distance(gaussian([0, 0], np.zeros((2, 2))), gaussian([3, 4], np.zeros((2, 2)))) == 25
    assert frechet_distance(gaussian([0, 0], np.zeros((2, 2))), gaussian([3, 4], np.eye(2))) == pytest.approx(27)


@pytest.mark.parametrize(("n", "m"), [(400, 500), (30, 400), (400, 30), (30, 20), (20, 30), (2, 2)])
def test_the_trace_is_the_nuclear_norm_of_the_features_product_at_every_rank(n, m):
    x, y = features(n, 64, 1), features(m, 64, 2)
    expected = np.linalg.norm(((x - x.mean(0)) / np.sqrt(n - 1)) @ ((y - y.mean(0)) / np.sqrt(m - 1)).T, "nuc")
    assert trace_of_root(Moments.of(x).covariance, Moments.of(y).covariance) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [2, 20, 65, 300])
@pytest.mark.parametrize("smallest", [1e-1, 1e-4, 1e-8])
def test_a_set_is_at_distance_0_from_itself(n, smallest):
    rows = features(n, 64, scale=np.geomspace(3, smallest, 64))
    assert frechet_distance(Moments.of(rows), Moments.of(rows)) == pytest.approx(0, abs=1e-6)


def test_both_ways_to_the_trace_agree_where_both_are_open():
    x, y = Moments.of(features(300, 64, 1)).covariance, Moments.of(features(300, 64, 2)).covariance
    by_factors = frechet_module._trace_by_factors(x, y, lambda *_: True)
    by_singular_values = frechet_module._trace_by_factors(x, y, lambda *_: False)
    assert trace_of_root(x, y) == pytest.approx(by_factors, rel=1e-12)
    assert by_singular_values == pytest.approx(by_factors, rel=1e-12)


def test_a_factor_has_the_rank_of_its_matrix_and_gives_it_back():
    covariance = Moments.of(features(20, 64)).covariance
    lower = factor(covariance)
    assert lower.shape == (64, 19)
    np.testing.assert_allclose(lower @ lower.T, covariance, atol=1e-14)


def test_the_distance_is_symmetric_and_blind_to_rotations():
    x, y = Moments.of(features(300, 32, 1)), Moments.of(features(300, 32, 2, shift=0.1))
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((32, 32)))
    turned = [gaussian(turn @ one.mean, turn @ one.covariance @ turn.T) for one in (x, y)]
    distance = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(distance, rel=1e-10)
    assert frechet_distance(*turned) == pytest.approx(distance, rel=1e-10)


def test_the_floor_falls_as_n_grows():
    floors = [frechet_distance(Moments.of(features(n, 32, 1)), Moments.of(features(n, 32, 2))) for n in (50, 200, 800, 3200)]
    assert floors == sorted(floors, reverse=True)
    assert floors[0] > 10 * floors[-1]


def test_moments_with_holes_or_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="sizes"):
        frechet_distance(gaussian(np.zeros(2), np.eye(2)), gaussian(np.zeros(3), np.eye(3)))
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(gaussian([0, np.nan], np.eye(2)), gaussian(np.zeros(2), np.eye(2)))


def test_fid_refuses_fewer_images_than_features_and_names_kid():
    few, many = named(features(20, 32)), named(features(200, 32))
    for pair in ((few, many), (many, few)):
        with pytest.raises(UserError, match=r"more than 32 images, got 20.*kid"):
            value(fid(FrechetConfig()), *pair)
    assert value(fid(FrechetConfig(few_images=True)), few, many) > 0


def test_limits_hold_for_every_metric_before_anything_runs():
    with pytest.raises(UserError, match="subset_size"):
        limits.enough_for_subsets(KernelConfig(), MetricUsage(999))
    with pytest.raises(UserError, match="splits"):
        limits.enough_for_splits(InceptionScoreConfig(), MetricUsage(9))
    with pytest.raises(UserError, match="neighbour 3"):
        limits.enough_for_neighbours(NeighboursConfig(), MetricUsage(3))


def test_the_kernel_distance_of_two_points_each_is_the_one_by_hand():
    # D = 1, k(x, y) = (x y + 1)^3: within {0, 1} 1, within {2, 3} 343, across 1, 1, 27, 64.
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert squared_mmd(x, y) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


@pytest.mark.parametrize(("n", "k", "block"), [(90, 70, 32), (64, 64, 64), (33, 80, 1024)])
def test_one_kernel_for_all_subsets_gives_each_subset_its_own_value(monkeypatch, n, k, block):
    monkeypatch.setattr(kernel_module, "BLOCK", block)
    x, y = features(n, 6, 1).astype(np.float32), features(k, 6, 2, shift=0.2).astype(np.float32)
    subsets = np.random.RandomState(0)
    chosen = [(subsets.choice(n, 20, replace=False), subsets.choice(k, 20, replace=False)) for _ in range(7)]
    expected = [squared_mmd(x[a].astype(float), y[b].astype(float)) for a, b in chosen]
    assert shared_mmds(x, y, chosen) == pytest.approx(expected, rel=1e-9)


def test_few_and_many_images_are_measured_in_the_two_ways(monkeypatch):
    ways = []
    monkeypatch.setattr(kernel_module, "shared_mmds", lambda *_: ways.append("one kernel") or [0.0])
    monkeypatch.setattr(kernel_module, "squared_mmd", lambda *_: ways.append("a kernel each") or 0.0)
    for n in (40, 41):  # 4 subsets of 20 have 40² entries
        value(KernelDistance(KernelConfig(subsets=4, subset_size=20)), named(features(n, 4)), named(features(n, 4, 1)))
    assert ways == ["one kernel", *["a kernel each"] * 4]


def test_subsets_that_are_the_whole_sets_have_no_spread():
    x, y = named(features(50, 4, 1)), named(features(50, 4, 2))
    assert set(KernelDistance(KernelConfig(subset_size=50))(x, y, torch.Generator())) == {"kid"}
    assert set(KernelDistance(KernelConfig(subset_size=20))(x, y, torch.Generator())) == {"kid", "kid sd"}


def test_the_kernel_distance_is_unbiased_in_the_number_of_images():
    metric = KernelDistance(KernelConfig(subsets=400, subset_size=50))
    real = named(features(4000, 16, 1))
    for n in (50, 4000):
        values = [value(metric, named(features(n, 16, 10 + i)), real) for i in range(6)]
        assert abs(np.mean(values)) < 0.05


def test_the_inception_score_by_hand():
    # Sure of each of three classes: 3. Sure of nothing: 1.
    sure = named(np.zeros((30, 1)), logits=np.tile(np.eye(3) * 1000, (10, 1)))
    unsure = named(np.zeros((30, 1)), logits=np.zeros((30, 3)))
    metric = InceptionScore(InceptionScoreConfig(splits=1))
    assert value(metric, sure, sure) == pytest.approx(3)
    assert value(metric, unsure, unsure) == pytest.approx(1)


def line(*points):
    return named(np.array(points)[:, None])


def test_precision_recall_density_and_coverage_on_a_line():
    real, generated = line(0, 1, 2, 10), line(0.5, 1.5, 5, 20)
    one, k1 = NeighboursConfig(k=1), DensityConfig(k=1)
    # Radii of the real: 1, 1, 1, 8; of the generated: 1, 1, 3.5, 15.
    assert value(neighbours.precision(one), generated, real) == 3 / 4  # 20 is 10 from 10
    assert value(neighbours.recall(one), generated, real) == 1.0  # 0, 1, 2 by the first two, 10 by 20's ball
    assert value(neighbours.density(k1), generated, real) == (2 + 2 + 1 + 0) / 4
    assert value(neighbours.coverage(k1), generated, real) == 1.0
    assert value(neighbours.coverage(k1), line(-0.9, 30, 40, 50), real) == 1 / 4


def test_all_four_of_a_set_with_itself():
    rows = named(features(300, 16))
    assert value(neighbours.precision(NeighboursConfig()), rows, rows) == 1
    assert value(neighbours.recall(NeighboursConfig()), rows, rows) == 1
    assert value(neighbours.coverage(DensityConfig()), rows, rows) == 1
    assert value(neighbours.density(DensityConfig(k=12)), rows, rows) == pytest.approx(13 / 12)  # 12 others, and itself


def test_four_metrics_of_two_sets_need_three_passes_over_pairs(monkeypatch):
    passes = []
    original = neighbours._squared_distances
    monkeypatch.setattr(neighbours, "_squared_distances", lambda x, y: passes.append(1) or original(x, y))
    generated, real = named(features(50, 4, 1)), named(features(50, 4, 2))
    for name in ("precision", "recall", "density", "coverage"):
        value(getattr(neighbours, name)(NeighboursConfig()), generated, real)
    assert len(passes) == 3


def test_blocks_do_not_matter(monkeypatch):
    generated, real = features(300, 8, 1), features(200, 8, 2)
    whole = neighbours.balls(named(generated), named(real), 5)
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    parts = neighbours.balls(named(generated), named(real), 5)
    assert (whole.of_real == parts.of_real).all()
    assert (whole.of_generated == parts.of_generated).all()
    assert (whole.covered == parts.covered).all()


class OnDisk(np.ndarray):
    """Rows that say how many of them were ever asked for at once."""

    most = 0

    def __getitem__(self, index):
        part = np.asarray(self).__getitem__(index)
        type(self).most = max(type(self).most, len(part))
        return part


def test_neighbours_read_a_block_of_rows_at_a_time_and_hold_no_distances_of_all(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    monkeypatch.setattr(OnDisk, "most", 0)
    expected = neighbours.balls(named(features(700, 8, 1)), named(features(900, 8, 2)), 3)
    generated, real = (
        FeatureSet("rows", n, {}, {"features": features(n, 8, seed).astype(np.float32).view(OnDisk)})
        for n, seed in ((700, 1), (900, 2))
    )
    tiles, original = [], torch.addmm

    def seen(*given, **options):
        tiles.append(original(*given, **options))
        return tiles[-1]

    monkeypatch.setattr(torch, "addmm", seen)
    found = neighbours.balls(generated, real, 3)
    assert OnDisk.most == 64
    assert max(max(tile.shape) for tile in tiles) == 64
    assert (found.of_real == expected.of_real).all()
    assert (found.covered == expected.covered).all()


def test_an_image_is_no_neighbour_of_itself_but_its_twin_is(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 3)
    rows = named(np.array([[0.0], [0.0], [1.0], [3.0], [7.0], [7.5], [20.0]]))
    centred = neighbours._Rows(rows.rows(), torch.zeros(1))
    # By hand: squared distance to the nearest other.
    assert neighbours._nearest(centred, 1)[:, 1].tolist() == [0, 0, 1, 4, 0.25, 0.25, 12.5**2]


def test_statistics_that_do_not_say_of_how_many_images_are_compared_all_the_same():
    known = Moments.of(features(100, 8))
    unknown = FeatureSet("a file", None, {"moments": Moments(None, known.mean, known.covariance)})
    real = named(features(100, 8, 3))
    assert value(fid(FrechetConfig()), real, unknown) == pytest.approx(value(fid(FrechetConfig()), real, named(features(100, 8))))
    assert value(FrechetStandardError(StandardErrorConfig()), real, unknown) > 0
    with pytest.raises(UserError, match="a file: does not say how many images it was made of"):
        len(unknown)
