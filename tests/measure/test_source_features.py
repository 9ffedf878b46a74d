"""Sources are looked at first; features come from the file's statistics, from earlier measurements, or from the images."""

import numpy as np
import pytest
import torch

from harness import UserError
from harness.images.sets import ImageSet
from harness.measure.image_source import ImageSource, identified_as
from harness.measure.source_features import FeatureReader


@pytest.fixture
def announced():
    return []


@pytest.fixture
def reader(make_plan, make_source, random_images, context, announced):
    plan = make_plan([make_source("samples", random_images(0))], fid={"few_images": True})
    return FeatureReader(plan, context, announced.append)


@pytest.fixture
def features(reader):
    """Looks at a source and returns what is needed of it."""

    def read(source, *needs):
        return reader.features(source, reader.identify(source), needs)

    return read


def images_seen(reader):
    """How many images went through the extractor so far."""
    return reader.context.extractor(reader.plan.extractor).images_seen


def test_a_look_says_what_it_looks_at_and_identifies_it(reader, make_source, random_images, announced):
    identity = reader.identify(make_source("samples", random_images(0, channels=3)))
    assert announced == ["looking at samples: 20 images, 3×8×8"]
    assert identity == make_source("another name", random_images(0, channels=3)).identify(lambda _: None)


def test_statistics_alone_are_not_looked_at(reader, make_source, make_statistics, announced):
    assert reader.identify(make_source("x.npz", statistics=make_statistics())) == {}
    assert announced == []


def test_a_look_is_progress_that_other_processes_see(reader, make_source, random_images, context, monkeypatch):
    steps = []
    monkeypatch.setattr(context.reporter, "step", lambda *step, **_: steps.append(step))
    reader.identify(make_source("samples", random_images(0, n=130)))
    assert steps == [(64, 130, {}), (128, 130, {}), (130, 130, {})]


def test_features_are_those_of_the_extractor(features, make_source, random_images, reader, announced):
    found = features(make_source("samples", random_images(0)), "features", "moments")
    network = reader.context.extractor(reader.plan.extractor)
    rows = network(random_images(0))["features"].numpy()
    np.testing.assert_allclose(found.rows(), rows, rtol=1e-6)
    np.testing.assert_allclose(found.moments().mean, rows.astype(np.float64).mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.moments().covariance, np.cov(rows.astype(np.float64), rowvar=False), rtol=1e-5)
    assert announced[-1] == "features of samples by pixels"


def test_the_same_pixels_are_extracted_once_by_whatever_name(features, make_source, random_images, reader):
    first = features(make_source("samples", random_images(0)), "moments")
    assert images_seen(reader) == 20
    again = features(make_source("samples.zip", random_images(0)), "moments")
    assert images_seen(reader) == 20
    np.testing.assert_array_equal(first.moments().mean, again.moments().mean)
    features(make_source("other", random_images(1)), "moments")
    assert images_seen(reader) == 40


def test_a_need_that_was_not_asked_for_before_costs_another_pass(features, make_source, random_images, reader):
    features(make_source("samples", random_images(0)), "moments")
    features(make_source("samples", random_images(0)), "moments", "logits")
    assert images_seen(reader) == 40
    features(make_source("samples", random_images(0)), "logits")
    assert images_seen(reader) == 40


def test_moments_of_the_file_go_before_those_of_its_images(features, make_source, make_statistics, random_images, reader):
    statistics = make_statistics(n=50_000)
    found = features(make_source("adm.npz", random_images(0), statistics), "moments", "features")
    np.testing.assert_array_equal(found.moments().covariance, np.eye(6))
    assert found.rows().shape == (20, 6)
    assert found.n == 20


def test_statistics_that_are_enough_cost_no_extraction(features, make_source, make_statistics, random_images, reader):
    found = features(make_source("adm.npz", random_images(0), make_statistics(n=50_000)), "moments")
    assert (found.n, images_seen(reader)) == (50_000, 0)


def test_samples_that_are_not_finite_are_a_fault_of_the_file(reader):
    x = torch.zeros(5, 1, 8, 8)
    x[3, 0, 0, 0] = float("nan")
    images = ImageSet.of_parts("samples", 5, (1, 8, 8), lambda start, stop: x[start:stop])
    source = ImageSource("samples.safetensors, draw 0", "sample set", images, identified_as({"generated": "x"}))
    with pytest.raises(UserError, match=r"samples\.safetensors, draw 0: 1 of 5 images have values that are not finite"):
        reader.features(source, reader.identify(source), {"moments"})
