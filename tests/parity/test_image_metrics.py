"""From the same features clean-fid, torch-fidelity and torchmetrics compute the same numbers, where those are right."""

from types import SimpleNamespace

import cleanfid.fid
import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from harness.features import FeatureSet, Moments
from harness_image_metrics import InceptionScoreConfig, KernelConfig, NeighboursConfig, neighbours
from harness_image_metrics.frechet import frechet_distance
from harness_image_metrics.inception_score import InceptionScore
from harness_image_metrics.kernel import KernelDistance

D = 48


def rows(n, seed, shift=0.0):
    mixing = np.random.default_rng(7).standard_normal((D, D)) / np.sqrt(D)
    drawn = np.random.default_rng(seed).standard_normal((n, D)) * np.geomspace(1, 0.05, D)
    # As after a network's last rectifier.
    return np.maximum(drawn @ mixing + 0.3 + shift, 0).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    return rows(700, 1, 0.05), rows(900, 2)


def both(pair):
    return [FeatureSet.of_rows("rows", features=features, logits=features[:, :10] * 5) for features in pair]


def cleanfid_distance(first, second, monkeypatch):
    # SciPy no longer takes the argument that clean-fid passes; the arithmetic is what it was.
    def sqrtm(matrix, disp=True):
        return scipy.linalg.sqrtm(matrix), 0.0

    monkeypatch.setattr(cleanfid.fid, "linalg", SimpleNamespace(sqrtm=sqrtm))
    return cleanfid.fid.frechet_distance(first.mean, first.covariance, second.mean, second.covariance)


def test_moments_are_numpys(pair):
    moments = Moments.of(pair[0])
    np.testing.assert_allclose(moments.mean, pair[0].astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(pair[0].astype(np.float64), rowvar=False), rtol=1e-9, atol=1e-12)


def test_the_frechet_distance_is_that_of_three_libraries(pair, monkeypatch):
    first, second = (Moments.of(features) for features in pair)
    ours = frechet_distance(first, second)
    assert ours == pytest.approx(cleanfid_distance(first, second, monkeypatch), rel=1e-6)
    tables = [{"mu": moments.mean, "sigma": moments.covariance} for moments in (first, second)]
    theirs = fid_statistics_to_metric(*tables, verbose=False)
    assert ours == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def test_the_frechet_distance_is_torchmetrics(pair):
    compute = pytest.importorskip("torchmetrics.image.fid")._compute_fid
    first, second = (Moments.of(features) for features in pair)
    tensors = [torch.from_numpy(a) for moments in (first, second) for a in (moments.mean, moments.covariance)]
    assert frechet_distance(first, second) == pytest.approx(float(compute(*tensors)), rel=1e-6)


def test_singular_covariances_are_as_the_libraries_see_them(monkeypatch):
    first, second = Moments.of(rows(30, 3)), Moments.of(rows(40, 4))
    ours = frechet_distance(first, second)
    tables = [{"mu": moments.mean, "sigma": moments.covariance} for moments in (first, second)]
    # Their square roots of rounded zeros cost them digits here, 1e-16 becoming 1e-8 each.
    assert ours == pytest.approx(fid_statistics_to_metric(*tables, verbose=False)["frechet_inception_distance"], rel=1e-5)


def test_kid_is_torch_fidelitys(pair):
    generated, real = both(pair)
    ours = KernelDistance(KernelConfig(subsets=20, subset_size=300))(generated, real, torch.Generator())
    theirs = kid_features_to_metric(
        *(torch.from_numpy(features).double() for features in pair), kid_subsets=20, kid_subset_size=300, kid_kernel="poly",
        kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1, rng_seed=2020, verbose=False,
    )  # fmt: skip
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-5)
    assert ours["kid sd"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-5)


def test_the_inception_score_is_torch_fidelitys(pair):
    generated, real = both(pair)
    ours = InceptionScore(InceptionScoreConfig())(generated, real, torch.Generator())
    theirs = isc_features_to_metric(torch.from_numpy(generated.rows("logits")))
    assert ours["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-5)
    assert ours["is sd"] == pytest.approx(theirs["inception_score_std"], rel=1e-5)


def test_precision_and_recall_are_torch_fidelitys(pair):
    generated, real = both(pair)
    theirs = prc_features_to_metric(
        *(torch.from_numpy(features).double() for features in pair), prc_neighborhood=3, prc_batch_size=200, save_cpu_ram=False,
        verbose=False,
    )  # fmt: skip
    ours = [
        metric(NeighboursConfig())(generated, real, torch.Generator()) for metric in (neighbours.precision, neighbours.recall)
    ]
    assert ours[0]["precision"] == pytest.approx(theirs["precision"], abs=1e-5)
    assert ours[1]["recall"] == pytest.approx(theirs["recall"], abs=1e-5)
