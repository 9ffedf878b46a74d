"""A measurement ends at the numbers that the formulas give, whatever is stored where."""

import numpy as np
import pytest
import scipy.linalg

from harness import UserError
from harness.errors import Faults
from harness.images.statistics_files import recognise
from harness.measure.measuring import measure

KID = {"subset_size": 10, "subsets": 5}


@pytest.fixture
def source(make_source, random_images):
    """Returns n random images by seed as a source."""
    return lambda name, seed, n=20: make_source(name, random_images(seed, n))


@pytest.fixture
def rows(pixels, context, random_images):
    """Returns the features of random images by seed, float64, straight from the network."""
    network = context.extractor(pixels)
    return lambda seed, n=20: network(random_images(seed, n))["features"].double().numpy()


def frechet(first, second):
    """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½) of two sets of rows."""
    covariances = [np.cov(rows, rowvar=False) for rows in (first, second)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    difference = first.mean(0) - second.mean(0)
    return difference @ difference + np.trace(covariances[0] + covariances[1] - 2 * root)


def test_fid_is_the_frechet_distance_of_the_features(make_plan, source, rows, context):
    measurement = measure(make_plan([source("samples", 0)], source("real", 1), fid={}), context)
    (fid,) = measurement.metrics
    assert fid.label == "fid-20[pixels]"
    # Features are float32, and the covariances of 20 rows lose some digits more.
    assert fid.mean == pytest.approx(frechet(rows(0), rows(1)), rel=1e-5)


def test_every_repetition_has_the_value_that_it_has_alone(make_plan, source, context):
    sets = [source(name, seed) for seed, name in enumerate("abc")]
    together = measure(make_plan(sets, source("real", 9), fid={}, kid=KID), context).metrics
    alone = [measure(make_plan([samples], source("real", 9), fid={}, kid=KID), context).metrics for samples in sets]
    for index, metric in enumerate(together):
        assert metric.values == tuple(metrics[index].mean for metrics in alone)
    assert set(together[1].side_values) == {"kid sd"}
    assert [len(values) for values in together[1].side_values.values()] == [3]


def test_metrics_stand_in_the_order_of_the_plan(make_plan, source, context):
    plan = make_plan([source("samples", 0)], source("real", 1), kid=KID, fid={}, precision={})
    assert [metric.metric.name for metric in measure(plan, context).metrics] == ["kid", "fid", "precision"]


def test_what_is_done_is_announced_in_its_order(make_plan, source, context):
    announced = []
    measure(make_plan([source("samples", 0)], source("real", 1), fid={}), context, announced.append)
    assert announced == [
        "looking at samples: 20 images, 1×8×8",
        "looking at real: 20 images, 1×8×8",
        "features of real by pixels",
        "features of samples by pixels",
        "fid of samples",
    ]


def test_the_extractor_is_described_as_it_was_used(make_plan, source, context):
    extractor = measure(make_plan([source("samples", 0)], source("real", 1), fid={}), context).extractor
    assert (extractor.name, extractor.preprocessing) == ("pixels", "grey, averaged to 4x4, / 255")
    assert len(extractor.weights_sha256) == 64


def test_statistics_that_a_measurement_wrote_serve_the_next_one(make_plan, make_source, source, rows, context, tmp_path):
    path = tmp_path / "real.npz"
    written = measure(make_plan([source("real", 1)], write_statistics=path), context)
    assert written.metrics == ()
    reference = make_source("real.npz", statistics=recognise(path))
    (fid,) = measure(make_plan([source("samples", 0)], reference, fid={}), context).metrics
    assert fid.mean == pytest.approx(frechet(rows(0), rows(1)), rel=1e-5)


def test_the_name_of_a_number_lacks_the_count_that_nobody_knows(make_plan, make_source, make_statistics, source, context):
    statistics = make_source("x.npz", statistics=make_statistics(n=None))
    (fid,) = measure(make_plan([statistics], source("real", 1), fid={}), context).metrics
    assert fid.label == "fid[pixels]"


def test_faults_of_the_plan_come_before_any_look(make_plan, source, context):
    announced = []
    with pytest.raises(Faults, match="compares with a reference"):
        measure(make_plan([source("samples", 0)], fid={}), context, announced.append)
    assert announced == []


def test_statistics_by_another_version_are_refused_before_any_look(make_plan, make_source, make_statistics, source, context):
    announced = []
    old = make_source("old.npz", statistics=make_statistics(n=100, version="0/1"))
    with pytest.raises(UserError, match="made by pixels with version '0/1', and here it has '1/1'"):
        measure(make_plan([source("samples", 0)], old, fid={}), context, announced.append)
    assert announced == []


def test_a_set_against_itself_is_at_zero_and_noted(make_plan, source, context):
    measurement = measure(make_plan([source("a", 0)], source("b", 0), fid={}), context)
    assert measurement.metrics[0].mean == pytest.approx(0, abs=1e-6)
    assert measurement.notes == ("a holds the same images as b",)
