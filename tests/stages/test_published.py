"""A column against published statistics: the file is checked, and the values are those of its mean and covariance."""

import dataclasses
import hashlib

import numpy as np
import pytest
from pixel_features import COMPONENT, PixelFeatures
from stage_parts import GAP, NOISE, resolved

from harness.board.columns import Column, Floor
from harness.board.schema import MetricConfig
from harness.errors import UserError
from harness.features import Moments
from harness.images.quantise import to_uint8
from harness.presets import WeightsFile
from harness.references import Reference
from harness.stages import draws, metrics
from harness.stages.published import PublishedStatistics

PIXELS = resolved(COMPONENT)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Write a file of statistics into the cache; returns the reference that names it."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def write(rows=None, sha256=None, **arrays):
        folder = tmp_path / "cache" / "weights"
        folder.mkdir(parents=True, exist_ok=True)
        if rows is not None:
            moments = Moments.of(rows)
            arrays = {"mu": moments.mean, "sigma": moments.covariance}
        if arrays:
            np.savez(folder / "statistics.npz", **arrays)
        file = WeightsFile("statistics.npz", "https://example.org/statistics.npz", sha256)
        return Reference("published", file, 70_000, "noise", (1, 8, 8), ("pixels",))

    return write


def column(reference, metric=GAP):
    return Column("column", "column", resolved(metric), MetricConfig(), 2, 3, PIXELS, reference)


def features(context, draw, n=40):
    images = to_uint8(context.dataset(NOISE).evaluation(draw, n).x)
    return PixelFeatures()(images)["features"].numpy()


def test_a_floor_is_between_real_draws_and_the_statistics(context, published):
    reference = published(np.random.default_rng(0).normal(size=(50, 6)))
    floor = Floor(NOISE, column(reference), 40)
    found = metrics.floor(floor, context).measured
    mean = PublishedStatistics(reference).features(PIXELS, context).features.moments().mean
    for value, pair in zip(found.values, range(3), strict=True):
        real = features(context, draws.floor(pair)[1]).astype(np.float64).mean(0)
        assert value == pytest.approx(np.abs(real - mean).sum(), rel=1e-5)
    assert metrics.can_be_measured(floor, context.dataset(NOISE)), "a dataset that draws without end has as many examples"


def test_statistics_of_a_real_draw_give_the_value_against_this_draw(context, published):
    drawn = dataclasses.replace(column(None), floor_pairs=1)
    expected = metrics.floor(Floor(NOISE, drawn, 40), context).measured
    reference = published(features(context, draws.floor(0)[0]))
    found = metrics.floor(Floor(NOISE, dataclasses.replace(drawn, reference=reference), 40), context).measured
    assert found.values == pytest.approx(expected.values, rel=1e-6)


def test_another_file_under_the_same_name_is_measured_anew(context, published, new_context):
    first = metrics.floor(Floor(NOISE, column(published(np.eye(7)[:, :6])), 40), context).measured
    again = metrics.floor(Floor(NOISE, column(published(1 + np.eye(7)[:, :6])), 40), new_context()).measured
    assert first.values != again.values


def test_a_dataset_of_too_few_held_out_examples_has_no_floor(context, published, monkeypatch):
    source = context.dataset(NOISE)
    monkeypatch.setattr(type(source), "largest_evaluation", 39)
    floor = Floor(NOISE, column(published(np.eye(7)[:, :6])), 40)
    assert not metrics.can_be_measured(floor, source)
    assert metrics.floor(floor, context).measured.values == []
    assert metrics.can_be_measured(dataclasses.replace(floor, samples=39), source)


def test_the_facts_say_what_the_statistics_are_of(published, tmp_path):
    facts = PublishedStatistics(published(np.eye(7)[:, :6])).facts
    content = (tmp_path / "cache" / "weights" / "statistics.npz").read_bytes()
    assert facts.model_dump() == {
        "name": "published", "of": "noise", "images": 70_000, "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            r"^statistics\.npz: not here\. Address: https://example\.org/statistics\.npz; sha256: not pinned; put the file into ",
        ),
        ({"rows": np.eye(7)[:, :6], "sha256": "a" * 64}, r"^statistics\.npz: .* has sha256 .*: remove it, it is another file"),
        ({"rows": np.eye(7)[:, :5]}, r"statistics\.npz: holds statistics of 5 features; the extractor gives 6"),
        ({"images": np.zeros((3, 2))}, r"statistics\.npz: no file of statistics, and the reference published names one"),
        ({"mu": np.zeros(6), "sigma": -np.eye(6)}, r"statistics\.npz: sigma has negative variances"),
    ],
)
def test_a_file_that_will_not_do_is_one_line(context, published, options, message):
    with pytest.raises(UserError, match=message):
        PublishedStatistics(published(**options)).features(PIXELS, context)
