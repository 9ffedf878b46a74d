"""Moments are streamed in float64, and a set of features says what it lacks."""

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.features import FeatureSet, Moments, StreamingMoments

ROWS = np.random.default_rng(0).normal(size=(50, 4)) * [1, 10, 0.1, 5] + [0, 3, -2, 1000]


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_streamed_moments_are_numpys_whatever_the_batch(batch):
    streaming = StreamingMoments()
    for start in range(0, 50, batch):
        streaming.add(torch.from_numpy(ROWS[start : start + batch]))
    moments = streaming.result()
    assert moments.n == 50
    np.testing.assert_allclose(moments.mean, ROWS.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(ROWS.T), rtol=1e-10, atol=1e-10)


def test_a_common_mean_costs_no_digits():
    """Variance 1 beside a mean of 1e8 needs 16 digits in a plain sum of squares, and float64 has 16."""
    far = torch.tensor([[1e8 - 1.0], [1e8 + 1.0]], dtype=torch.float64)
    streaming = StreamingMoments()
    streaming.add(far.repeat(1000, 1))
    assert streaming.result().covariance[0, 0] == pytest.approx(2000 / 1999, rel=1e-12)


def test_counts_repeat_rows():
    counts = torch.tensor([3, 0, 1, 2])
    counted, repeated = StreamingMoments(), StreamingMoments()
    counted.add(torch.from_numpy(ROWS[:4]), counts)
    repeated.add(torch.from_numpy(ROWS[:4]).repeat_interleave(counts, 0))
    assert counted.n == 6
    np.testing.assert_allclose(counted.result().covariance, repeated.result().covariance, rtol=1e-10)


@pytest.mark.parametrize("n", [0, 1])
def test_a_covariance_needs_two_rows(n):
    streaming = StreamingMoments()
    if n:
        streaming.add(torch.zeros(n, 3))
    with pytest.raises(UserError, match=f"^a covariance needs at least 2 images, got {n}$"):
        streaming.result()


def test_a_set_of_rows_has_their_moments():
    features = FeatureSet.of_rows("mine", features=ROWS, spatial=ROWS[:, :2])
    assert len(features) == 50
    np.testing.assert_allclose(features.moments().mean, Moments.of(ROWS).mean)
    assert features.moments("spatial").mean.shape == (2,)
    assert features.rows().dtype == np.float32
    with pytest.raises(
        UserError, match=r"^mine: gives no logits; it has moments, spatial, features\. Give the images themselves$"
    ):
        features.rows("logits")


def test_statistics_of_an_unknown_number_of_images_have_no_length():
    statistics = FeatureSet("file.npz", None, {"moments": Moments.of(ROWS)})
    with pytest.raises(UserError, match=r"^file\.npz: does not say how many images it was made of"):
        len(statistics)


def test_a_value_is_worked_out_once_for_a_set():
    made = []
    features = FeatureSet.of_rows("mine", features=ROWS)
    values = [features.remembered("key", lambda: made.append(1) or len(made)) for _ in range(3)]
    assert values == [1, 1, 1]
