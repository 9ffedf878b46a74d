"""Features of a set are extracted once for all metrics, kept, and told apart by what made them."""

import dataclasses

import pytest
import torch
from image_sets import image_set
from pixel_features import COMPONENT, PixelFeatures

from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.schema import MetricConfig
from harness.components import Dataset, Metric
from harness.config import NoConfig
from harness.images.sets import ImageSet
from harness.interfaces import Batch, DataSpec
from harness.stages import context, features, metrics
from harness.stages.context import Context
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder
from harness.streams import stream

IMAGES = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PIXELS = Resolved(COMPONENT, NoConfig(), "test", "1/1")


class Noise:
    """A dataset of random images."""

    spec = DataSpec((1, 8, 8), preview="images")
    fingerprint = "noise-1"
    largest_evaluation = None
    drawn = 0

    def __init__(self, config):
        pass

    def train(self):
        return self.evaluation(999, 100)

    def evaluation(self, draw, n):
        type(self).drawn += 1
        return Batch(torch.rand(n, 1, 8, 8, generator=stream(draw, "noise")) * 2 - 1)


class MeanGap:
    """A metric that uses moments, and says the number of rows that it saw."""

    def __init__(self, config):
        pass

    def __call__(self, generated, real, generator):
        gap = abs(generated.moments().mean - real.moments().mean).sum()
        return {"gap": float(gap), "images": float(len(generated))}


NOISE = Resolved(Dataset("noise", build="test_features_stage:Noise", summary=""), NoConfig(), "test", "1/1")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    import sys
    import types

    module = types.ModuleType("test_features_stage")
    module.Noise, module.MeanGap, module.Rows = Noise, MeanGap, MeanGap
    monkeypatch.setitem(sys.modules, "test_features_stage", module)
    monkeypatch.setattr(context, "_EXTRACTORS", {})
    monkeypatch.setattr(context, "_DATASETS", {})


@pytest.fixture
def at(tmp_path):
    return lambda: Context(RunsFolder(tmp_path), JobOptions(device="cpu"), "test")


def seen():
    return context.extractor(PIXELS, torch.device("cpu")).images_seen


def of(at, needs, source=None, extractor=PIXELS):
    return features.of(image_set(IMAGES, "the set"), source or {"generated": "abc"}, needs, extractor, at)


def test_a_set_is_extracted_once_whoever_asks(at):
    first = of(at(), {"moments", "features"})
    again = of(at(), {"moments"})  # another process, as it were
    assert seen() == 60
    assert (again.moments().mean == first.moments().mean).all()
    more = of(at(), {"moments", "logits"})
    assert seen() == 120  # logits were not kept, and the one pass for them gives nothing else anew
    assert more.rows("logits").shape == (60, 4)


def test_sets_in_memory_are_the_same_object_for_all_metrics(at):
    job = at()
    assert of(job, {"moments", "features"}) is of(job, {"moments"})


def test_other_weights_preprocessing_settings_or_images_are_other_features(at, monkeypatch):
    of(at(), {"moments"})
    of(at(), {"moments"}, {"generated": "another"})
    assert seen() == 120
    monkeypatch.setattr(PixelFeatures, "weights_sha256", "0" * 64)
    of(at(), {"moments"})
    monkeypatch.setattr(PixelFeatures, "preprocessing", "grey, averaged in another way")
    of(at(), {"moments"})
    of(at(), {"moments"}, extractor=dataclasses.replace(PIXELS, version="2/1"))
    total = sum(one.images_seen for one in context._EXTRACTORS.values())
    assert total == 120 + 60 * 3


def test_a_failed_pass_leaves_nothing_behind(at, tmp_path):
    broken = ImageSet("broken", 60, (1, 8, 8), lambda _: iter([IMAGES[:10]]))
    with pytest.raises(ValueError, match="60 images were announced, and 10 came"):
        features.of(broken, {"generated": "b"}, {"features"}, PIXELS, at())
    assert not list(tmp_path.glob("stages/features/*"))
    assert not list(tmp_path.glob("work/*"))


def column(name="gap", **needs):
    metric = Metric(name, build="test_features_stage:MeanGap", summary="", needs_features=frozenset({"moments"}), **needs)
    return Column(f"{name}[pixels]", name, Resolved(metric, NoConfig(), "test", "1/1"), MetricConfig(), 1, 3, PIXELS)


def test_floors_of_two_metrics_share_their_pass_and_their_real_images(at, tmp_path):
    from harness.board.columns import Floor

    both = (column(), column("rows-gap"))
    before = Noise.drawn
    floors = [metrics.floor(Floor(NOISE, one, 40, both), at()) for one in both]
    assert seen() == 3 * 2 * 40
    assert Noise.drawn == before + 6
    assert floors[0].values == floors[1].values
    assert floors[0].also == {"images": [40.0] * 3}
    assert all(value > 0 for value in floors[0].values)


def test_a_board_that_does_not_say_whose_features_is_told_what_to_write(write_board, tmp_path):
    from importlib.metadata import EntryPoint

    from board_fixtures import BOARD

    from harness.board.reading.load import load_board
    from harness.errors import Faults
    from harness.plugins import Registry

    plugins = Registry(
        [EntryPoint(name, module, "harness") for name, module in (("fake", "harness_fake"), ("pixels", "pixel_features"))]
        + [EntryPoint("metrics", "harness_image_metrics", "harness")]
    )

    def load(metrics):
        return load_board(write_board(BOARD.partition("metrics:")[0] + f"metrics:\n  {metrics}\n"), plugins=plugins)

    for wrong, said in (
        ("fid: {}", r"call the column fid\[EXTRACTOR\]; extractors: pixels"),
        ("fid[pixel]: {}", r"no extractor is called 'pixel'; did you mean 'pixels'"),
        ("distance[pixels]: {}", r"compares the samples themselves: call the column 'distance'"),
        ("fid[pixels]: {extractor: other}", r"called 'fid\[pixels\]', and its extractor 'other'"),
        ("kid[pixels]: {}", r"board.yaml:\d+: kid draws subsets of 1000 images, and there are 100; set subset_size"),
    ):
        with pytest.raises(Faults, match=said):
            load(wrong)
    board = load("fid[pixels]: {}\n  fid-few[pixels]: {metric: {name: fid, few_images: true}}")
    assert [metric.label for metric in board.columns] == ["fid-100[pixels]", "fid-few-100[pixels]"]
    assert len({metric.key_digest for metric in board.columns}) == 2
