"""The Fréchet distance against other ways to it: SciPy's square root, closed forms, and the edges of each branch."""

import numpy as np
import pytest
import scipy.linalg
import torch

from harness import UserError
from harness.features import FeatureSet, Moments
from harness_image_metrics import FrechetConfig, frechet
from harness_image_metrics.frechet import SpatialFrechet, fd, fid, frechet_distance, trace_of_root


def random(seed):
    return np.random.default_rng(seed)


def covariance(seed, d=6, rank=None):
    rows = random(seed).standard_normal((rank or 3 * d, d))
    return rows.T @ rows / len(rows)


def moments(mean, matrix, n=1000):
    return Moments(n, np.asarray(mean, float), np.asarray(matrix, float))


@pytest.mark.parametrize("d", [1, 2, 6, 30])
def test_the_trace_is_that_of_scipys_square_root(d):
    first, second = covariance(1, d), covariance(2, d)
    expected = np.trace(scipy.linalg.sqrtm(first @ second)).real
    assert trace_of_root(first, second) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("first", "second"), [(3, None), (None, 3), (2, 4), (5, 5)])
def test_singular_matrices_have_the_trace_of_slightly_larger_ones(first, second):
    a, b = covariance(1, 6, first), covariance(2, 6, second)
    noise = 1e-12 * np.eye(6)
    # The root of an eigenvalue of 1e-12 is 1e-6.
    assert trace_of_root(a, b) == pytest.approx(trace_of_root(a + noise, b + noise), abs=2e-5)


def test_orthogonal_lines_have_no_trace_in_common():
    assert trace_of_root(np.diag([1.0, 0.0]), np.diag([0.0, 1.0])) == 0
    assert trace_of_root(np.zeros((3, 3)), covariance(1, 3)) == 0


def test_in_one_dimension_the_distance_is_between_means_and_deviations():
    for mean, deviation in ((0.0, 1.0), (2.0, 3.0), (-1.0, 0.0)):
        expected = (mean - 0.5) ** 2 + (deviation - 2) ** 2
        found = frechet_distance(moments([mean], [[deviation**2]]), moments([0.5], [[4.0]]))
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_scaling_of_the_features_scales_the_distance_by_its_square(scale):
    x, y = moments(np.zeros(6), covariance(1)), moments(np.ones(6), covariance(2))
    scaled = [moments(scale * one.mean, scale**2 * one.covariance) for one in (x, y)]
    assert frechet_distance(*scaled) == pytest.approx(scale**2 * frechet_distance(x, y), rel=1e-9)


def test_a_shift_of_both_means_changes_nothing_and_a_shift_of_one_adds_its_square():
    x, y = moments(np.zeros(6), covariance(1)), moments(np.zeros(6), covariance(2))
    both = [moments(one.mean + 7, one.covariance) for one in (x, y)]
    assert frechet_distance(*both) == pytest.approx(frechet_distance(x, y))
    assert frechet_distance(moments(np.full(6, 2.0), x.covariance), y) == pytest.approx(frechet_distance(x, y) + 24)


def test_the_distance_is_the_transport_cost_of_the_best_linear_map():
    """Samples of one distribution, mapped by T, have the other's covariance, at the cost d²."""
    x, y = covariance(1), covariance(2)
    root = scipy.linalg.sqrtm(x).real
    inverse = np.linalg.inv(root)
    transport = inverse @ scipy.linalg.sqrtm(root @ y @ root).real @ inverse
    np.testing.assert_allclose(transport @ x @ transport, y, atol=1e-8)
    cost = np.trace((np.eye(6) - transport) @ x @ (np.eye(6) - transport))
    assert frechet_distance(moments(np.zeros(6), x), moments(np.zeros(6), y)) == pytest.approx(cost, rel=1e-8)


NEARLY_EQUAL = np.diag([1.0, 1e-6, 0.0]), np.diag([1.0, 0.0, 1e-6])
"""Singular, at a distance of 2e-6, and with a singular value of 0 in the product of their factors."""


def test_eigenvalues_are_enough_for_full_ranks_and_singular_values_are_taken_where_they_are_not(monkeypatch):
    taken = []
    original = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", lambda matrix: taken.append(1) or original(matrix))
    trace_of_root(covariance(1), covariance(2))
    assert taken == []
    assert trace_of_root(*NEARLY_EQUAL) == pytest.approx(1, abs=1e-15)
    assert taken == [1]


def test_a_large_distance_between_means_needs_no_further_digits(monkeypatch):
    monkeypatch.setattr(torch.linalg, "svdvals", lambda _: pytest.fail("singular values of a distance that does not show them"))
    assert trace_of_root(*NEARLY_EQUAL, between_means=1e12) == pytest.approx(1, abs=1e-7)


def test_the_bound_of_the_error_of_a_sum_of_roots_holds():
    """Eigenvalues over sixteen decades, known exactly: a diagonal matrix, rotated."""
    values = np.geomspace(1, 1e-16, 30)
    turn, _ = np.linalg.qr(random(0).standard_normal((30, 30)))
    total, error = frechet._sum_of_roots(turn @ np.diag(values) @ turn.T)
    assert abs(total - np.sqrt(values).sum()) <= error
    assert error < 1e-6
    assert frechet._sum_of_roots(np.zeros((0, 0))) == (0.0, 0.0)


def features(n, d=4, seed=0):
    return random(seed).standard_normal((n, d)).astype(np.float32)


def named(rows):
    return FeatureSet.of_rows("rows", features=rows, spatial=rows[:, :2])


def value(metric, generated, real):
    return metric(generated, real, torch.Generator())


def test_fid_and_fd_are_one_number_that_is_computed_once(monkeypatch):
    calls = []
    original = frechet.frechet_distance
    monkeypatch.setattr(frechet, "frechet_distance", lambda *pair: calls.append(1) or original(*pair))
    generated, real = named(features(50)), named(features(60, seed=1))
    found = value(fid(FrechetConfig()), generated, real) | value(fd(FrechetConfig()), generated, real)
    assert set(found) == {"fid", "fd"}
    assert found["fid"] == found["fd"]
    assert len(calls) == 1


def test_another_reference_is_another_number():
    generated = named(features(50))
    first, second = (value(fid(FrechetConfig()), generated, named(features(60, seed=seed)))["fid"] for seed in (1, 2))
    assert first != second


def test_sfid_is_the_distance_of_spatial_features():
    generated, real = features(50), features(60, seed=1)
    found = value(SpatialFrechet(FrechetConfig()), named(generated), named(real))
    assert found == {"sfid": frechet_distance(Moments.of(generated[:, :2]), Moments.of(real[:, :2]))}


def test_few_images_are_refused_by_the_features_that_are_compared():
    """Three images are enough for two spatial features, and not for four features."""
    few, many = named(features(3)), named(features(60, seed=1))
    assert value(SpatialFrechet(FrechetConfig()), few, many)["sfid"] > 0
    with pytest.raises(
        UserError, match=r"of 4 features needs more than 4 images, got 3.*subset_size of at most 3.*few_images: true"
    ):
        value(fid(FrechetConfig()), few, many)
