"""A measurement as text and as JSON: the numbers, and below what they are numbers of."""

import numpy as np
import pytest
import torch
from image_sets import image_set
from pixel_features import COMPONENT, PixelFeatures

from harness import Metric, NoConfig
from harness.board.components import Resolved
from harness.cli.measurement import as_content, print_measurement
from harness.features import Moments
from harness.images.statistics_files import Metadata, StatisticsFile, StoredMoments
from harness.measure.image_source import ImageSource, identified_as
from harness.measure.measurement import MeasuredMetric, Measurement
from harness.measure.named_components import resolve
from harness.measure.plan import MeasurementPlan
from harness.store.records import ExtractorFacts

EXTRACTOR = ExtractorFacts(
    name="pixels", version="1/1", settings={}, weights_sha256=PixelFeatures.weights_sha256, preprocessing="grey"
)


def source(name, channels=1, **fields):
    images = image_set(torch.zeros((3, channels, 8, 4), dtype=torch.uint8), name)
    return ImageSource(name, "folder of PNG images", images, identified_as({}), **fields)


def statistics(tmp_path, metadata=None):
    path, table = tmp_path / "real.npz", {"": {"moments": StoredMoments.of(Moments(50, np.zeros(6), np.eye(6)))}}
    return ImageSource("real.npz", "statistics (test)", None, identified_as({}), StatisticsFile(path, "test", table, metadata))


def measured(name, *values, **side_values):
    side = {key.replace("_", " "): each for key, each in side_values.items()}
    return MeasuredMetric(f"{name}-3[pixels]", resolve(Metric, name, {}, where="test"), values, side, seconds=0.25)


def measurement(*metrics, samples=None, reference=None, notes=(), identities=None):
    samples = samples or [source("samples")]
    plan = MeasurementPlan(
        tuple(metric.metric for metric in metrics), Resolved(COMPONENT, NoConfig(), "fake", "1/1"), samples, reference
    )
    names = [each.name for each in plan.sources]
    return Measurement(plan, metrics, EXTRACTOR, {name: {} for name in names} | (identities or {}), tuple(notes))


@pytest.fixture
def printed(capsys):
    """Prints a measurement; returns its lines."""

    def lines(*arguments, **fields):
        print_measurement(measurement(*arguments, **fields))
        return capsys.readouterr().out.splitlines()

    return lines


def test_one_repetition_has_a_value(printed):
    lines = printed(measured("fid", 12.3456789), measured("precision", 0.5))
    assert lines[:3] == [
        "metric                                 value    also",
        "fid-3[pixels]        lower is better   12.3457",
        "precision-3[pixels]  higher is better  0.5",
    ]


def test_zero_has_no_sign(printed):
    assert printed(measured("fid", -0.0, fid_sd=(-0.0,)))[1].split() == [
        "fid-3[pixels]", "lower", "is", "better", "0", "fid", "sd", "0",
    ]  # fmt: skip


def test_several_repetitions_have_mean_deviation_and_extremes(printed):
    head, row, *_ = printed(measured("fid", 1.0, 2.0, 6.0), samples=[source("a"), source("b"), source("c")])
    assert head.split() == ["metric", "mean", "sd", "min", "max", "repetitions", "also"]
    assert row.split("better")[1].split() == ["3", "2.65", "1", "6", "3"]


def test_what_else_a_metric_gave_stands_beside_as_a_mean(printed):
    lines = printed(measured("kid", 0.1, 0.2, kid_sd=(0.01, 0.03)), samples=[source("a"), source("b")])
    assert lines[1].endswith("kid sd 0.02")


def test_a_metric_that_does_not_rank_has_no_direction(printed):
    assert "better" not in printed(measured("fid-se", 0.3))[1]


def test_below_stands_what_the_numbers_are_of(printed, tmp_path):
    metadata = Metadata(n=50_000, source="cifar10", split="train", pixels="p", shape=(3, 32, 32), extractor=EXTRACTOR)
    lines = printed(
        measured("fid", 1.0),
        samples=[source("samples", channels=3)],
        reference=statistics(tmp_path, metadata),
        notes=["a remark"],
    )
    assert lines[2:] == [
        "",
        "samples    samples: folder of PNG images, 3 images of 4x8, colour",
        "reference  real.npz: statistics (test), statistics of 50,000 images of cifar10 train",
        f"extractor  pixels 1/1, weights sha256 {EXTRACTOR.weights_sha256}",
        "images     grey",
        "fid        Fréchet distance between features, by the name that papers use (few_images False)",
        "note       a remark",
    ]


def test_statistics_that_say_nothing_of_themselves_are_told_apart(printed, tmp_path):
    lines = printed(measured("fid", 1.0), reference=statistics(tmp_path))
    assert "reference  real.npz: statistics (test), number of images unknown" in lines


def test_without_metrics_there_is_no_table(printed):
    assert printed()[0] == "no metric was asked for"


def metrics_of(content):
    return content["metrics"]


def test_json_has_every_value_and_what_it_means():
    content = as_content(measurement(measured("kid", 0.1, 0.3, kid_sd=(0.01, 0.03)), samples=[source("a"), source("b")]), "cpu")
    (kid,) = metrics_of(content)
    assert kid | {"definition": "", "sd": 0} == {
        "name": "kid-3[pixels]", "metric": "kid", "higher_is_better": False, "mean": 0.2, "min": 0.1, "max": 0.3, "sd": 0,
        "values": [0.1, 0.3], "also": {"kid sd": [0.01, 0.03]}, "definition": "", "version": kid["version"], "seconds": 0.25,
        "settings": {"subsets": 100, "subset_size": 1000, "seed": 2020},
    }  # fmt: skip
    assert content["reference"] is None
    assert content["environment"]["torch"] == torch.__version__.partition("+")[0]


def test_json_names_sources_with_what_identifies_their_images(tmp_path):
    metadata = Metadata(n=50, source="cifar10", pixels="p", shape=(3, 32, 32), extractor=EXTRACTOR)
    content = as_content(
        measurement(
            measured("fid", 1.0),
            samples=[source("samples", split="held-out images, draw 0")],
            reference=statistics(tmp_path, metadata),
            identities={"samples": {"fingerprint": "f", "draw": 0, "dataset": {}}},
        ),
        "cpu",
    )
    assert content["samples"] == [
        {
            "source": "samples", "kind": "folder of PNG images", "n": 3, "images": 3, "shape": [1, 8, 4],
            "split": "held-out images, draw 0", "fingerprint": "f",
        }
    ]  # fmt: skip
    assert content["reference"]["n"] == 50
    assert content["reference"]["statistics_of"]["source"] == "cifar10"
    assert content["extractor"]["weights_sha256"] == EXTRACTOR.weights_sha256


def test_a_metric_that_does_not_rank_says_so_in_json():
    (metric,) = metrics_of(as_content(measurement(measured("fid-se", 0.3)), "cpu"))
    assert metric["higher_is_better"] is None
