"""Standard error of FID: all three estimates against the spread over independent sets, and a case by hand."""

from itertools import product

import numpy as np
import pytest
import torch

from harness import UserError
from harness.components import MetricUsage
from harness.features import FeatureSet, Moments
from harness_image_metrics import FrechetConfig, StandardErrorConfig, limits, resampling, standard_error
from harness_image_metrics.frechet import fid, frechet_distance
from harness_image_metrics.standard_error import FrechetStandardError

WAYS = ("influence", "bootstrap", "split-half")


def features(n, d, seed, *, shift=0.0):
    """Correlated rows with a spectrum that falls as those of networks do."""
    mixing = np.random.default_rng(99).standard_normal((d, d)) / np.sqrt(d)
    return (np.random.default_rng(seed).standard_normal((n, d)) * np.geomspace(1, 1e-2, d)) @ mixing + shift


def named(rows):
    return FeatureSet.of_rows("rows", features=np.asarray(rows, np.float32))


def measured(generated, real, seed=0, **settings):
    if settings.get("by") == "influence":
        settings.pop("resamples", None)
    metric = FrechetStandardError(StandardErrorConfig(**settings))
    return metric(generated, real, torch.Generator().manual_seed(seed))["fid-se"]


@pytest.mark.parametrize("by", WAYS)
def test_it_is_the_spread_over_independent_sets(by):
    real = named(features(5000, 8, 1))
    sets = [named(features(600, 8, 100 + i, shift=0.05)) for i in range(60)]
    spread = np.std([fid(FrechetConfig())(one, real, torch.Generator())["fid"] for one in sets], ddof=1)
    # Sixty draws know their deviation to 1 / sqrt(120) = 9 %.
    assert np.mean([measured(one, real, by=by, resamples=30) for one in sets[:20]]) == pytest.approx(spread, rel=0.3)


@pytest.mark.parametrize("by", WAYS)
def test_four_times_the_images_halve_it(by):
    real = named(features(5000, 8, 1))
    few, many = (
        np.mean([measured(named(features(n, 8, n + i, shift=0.1)), real, by=by, resamples=40) for i in range(6)])
        for n in (500, 2000)
    )
    assert few / many == pytest.approx(2, rel=0.2)


def test_split_halves_of_four_images_are_the_ones_by_hand():
    # One feature, reference N(0, 1). Halves {a, b}: mean m = (a + b) / 2, unbiased variance v = (a - b)²/2, distance
    # m² + (√v - 1)². Of {0, 1, 2, 3} three splits: {0, 3 | 1, 2}, {0, 1 | 2, 3}, {0, 2 | 1, 3}.
    reference = Moments(100, np.zeros(1), np.eye(1))

    def distance(a, b):
        return ((a + b) / 2) ** 2 + (abs(a - b) / np.sqrt(2) - 1) ** 2

    apart = [distance(0, 3) - distance(1, 2), distance(0, 1) - distance(2, 3), distance(0, 2) - distance(1, 3)]
    rows = np.arange(4, dtype=np.float32)[:, None]
    found = resampling.split_half(rows, reference, 400, torch.Generator().manual_seed(0))
    # 400 draws of three equally likely splits: the mean of their squares is known to 3 %.
    assert found == pytest.approx(np.sqrt(np.mean(np.square(apart)) * 4) / 4, rel=0.06)


def test_the_bootstrap_of_three_images_is_the_one_by_hand():
    reference = Moments(100, np.zeros(1), np.eye(1))
    rows = np.array([[0.0], [1.0], [3.0]], np.float32)
    every = [np.array(drawn) for drawn in product(rows[:, 0], repeat=3)]  # all 27 sets, equally likely
    distances = [drawn.mean() ** 2 + (drawn.std(ddof=1) - 1) ** 2 for drawn in every]
    found = resampling.bootstrap(rows, reference, 1500, torch.Generator().manual_seed(0))
    # 1,500 draws know a deviation to about 2 %.
    assert found == pytest.approx(np.std(distances), rel=0.06)


def test_counted_rows_are_rows_that_are_there_as_often(monkeypatch):
    rows = features(500, 6, 3, shift=2.0).astype(np.float32)
    counts = torch.randint(0, 4, (500,), generator=torch.Generator().manual_seed(0))
    counts[64:128] = 0  # a block without any
    monkeypatch.setattr(resampling, "BLOCK", 64)
    found, expected = resampling.counted_moments(rows, counts), Moments.of(np.repeat(rows, counts.numpy(), axis=0))
    assert found.n == expected.n
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.covariance, expected.covariance, atol=1e-12)


@pytest.mark.parametrize("by", WAYS)
def test_the_same_stream_gives_the_same_number(by):
    generated, real = named(features(300, 6, 1)), named(features(300, 6, 2))
    assert measured(generated, real, by=by, resamples=5) == measured(generated, real, by=by, resamples=5)
    other = measured(generated, real, 1, by=by, resamples=5)
    assert (measured(generated, real, by=by, resamples=5) == other) == (by == "influence")


def test_the_order_does_not_matter_to_the_influence():
    rows, real = features(300, 6, 1), named(features(300, 6, 2))
    assert measured(named(rows[::-1].copy()), real) == pytest.approx(measured(named(rows), real), rel=1e-6)


def test_records_made_before_the_choice_keep_their_key():
    assert StandardErrorConfig().identity == FrechetConfig().identity
    assert StandardErrorConfig(by="bootstrap").identity == {"few_images": False, "by": "bootstrap", "resamples": 100}


def test_resamples_that_would_not_be_used_are_a_fault():
    with pytest.raises(ValueError, match="resamples is of no use to by: influence"):
        StandardErrorConfig(resamples=10)


def test_halves_need_more_images_than_features_each():
    generated, real = named(features(20, 12, 1)), named(features(20, 12, 2))
    with pytest.raises(UserError, match="needs more than 12 images, got 10"):
        measured(generated, real, by="split-half")
    with pytest.raises(UserError, match="by: bootstrap measures all of them"):
        limits.enough_for_standard_error(StandardErrorConfig(by="split-half"), MetricUsage(20, {"features": 12}))
    limits.enough_for_standard_error(StandardErrorConfig(by="split-half"), MetricUsage(None, {"features": 12}))
    assert measured(generated, real, by="bootstrap", resamples=5) > 0
    assert measured(generated, real, by="split-half", few_images=True, resamples=5) > 0


def test_transport_maps_the_one_covariance_to_the_other():
    generated, real = (Moments.of(features(300, 6, seed)) for seed in (1, 2))
    transport = standard_error.transport(generated, real)
    np.testing.assert_allclose(transport, transport.T, atol=1e-12)
    np.testing.assert_allclose(transport @ generated.covariance @ transport, real.covariance, atol=1e-10)
    np.testing.assert_allclose(standard_error.transport(real, real), np.eye(6), atol=1e-6)


def test_transport_leaves_out_directions_that_the_images_do_not_vary_in():
    rows = features(300, 4, 1)
    rows[:, 3] = 2.0
    flat, real = Moments.of(rows), Moments.of(features(300, 4, 2))
    transport = standard_error.transport(flat, real)
    assert np.isfinite(transport).all()
    assert np.abs(transport).max() < 1e3


def test_the_influence_of_an_image_is_what_the_distance_loses_without_it():
    """The distance of n - 1 images against its first-order change, image by image."""
    rows, reference = features(400, 3, 1, shift=0.3).astype(np.float32), Moments.of(features(900, 3, 2))
    whole = Moments.of(rows)
    weight, slope = np.eye(3) - standard_error.transport(whole, reference), 2 * (whole.mean - reference.mean)
    centred = rows[:20] - whole.mean
    influence = centred @ slope + np.einsum("nd,nd->n", centred @ weight, centred) - np.trace(weight @ whole.covariance)
    without = [frechet_distance(Moments.of(np.delete(rows, place, 0)), reference) for place in range(20)]
    lost = (frechet_distance(whole, reference) - np.array(without)) * 400
    np.testing.assert_allclose(lost, influence, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("block", [1, 64, 10_000])
def test_influence_reads_rows_in_blocks_of_any_size(monkeypatch, block):
    rows, reference = features(150, 3, 1).astype(np.float32), Moments.of(features(150, 3, 2))
    expected = standard_error.by_influence(rows, Moments.of(rows), reference)
    monkeypatch.setattr(standard_error, "BLOCK", block)
    assert standard_error.by_influence(rows, Moments.of(rows), reference) == pytest.approx(expected, rel=1e-12)


def test_images_that_are_all_alike_in_what_matters_have_no_standard_error():
    rows = np.array([[-1.0], [1.0]] * 50, np.float32)  # each image is as far from the mean as every other
    assert standard_error.by_influence(rows, Moments.of(rows), Moments.of(rows)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("by", WAYS)
def test_constant_features_have_a_standard_error(by):
    rows = features(400, 4, 0)
    constant = np.ones((400, 4))
    # The distance to a point c is the mean of |x - c|², a mean over images.
    by_hand = np.std(((rows - 1) ** 2).sum(1), ddof=1) / np.sqrt(400)
    # Two hundred resamples know a deviation to 1 / sqrt(400) = 5 %, and half that with a formula for it.
    tolerance = 1e-5 if by == "influence" else 0.2
    assert measured(named(rows), named(constant), by=by, resamples=200) == pytest.approx(by_hand, rel=tolerance)
    for real in (constant, rows):
        assert measured(named(constant), named(real), by=by, resamples=10) == pytest.approx(0, abs=1e-12)
