"""From the same PNG files through the same custom network, our whole path and each library's own end at the same numbers.

Whole: reading, resizing, quantising, features, moments, distance.
"""

from types import SimpleNamespace

import cleanfid.fid
import numpy as np
import pytest
import scipy.linalg
import torch
import torch_fidelity
from PIL import Image
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from harness import NoConfig
from harness.board.components import Resolved
from harness.components import Extractor, Metric
from harness.measure.measuring import measure
from harness.measure.named_components import resolve
from harness.measure.plan import MeasurementPlan
from harness.measure.reading_options import ReadingOptions
from harness.measure.sources import read_sources
from harness.stages.context import Context
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder
from harness.streams import stream

D, CLASSES, N = 8, 5, 40
SIZES = {"generated": 3, "real": 9}
"""Seeds of the two folders."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Smooth colour images of 37 × 29: sizes that every resizing has to work for."""
    root = tmp_path_factory.mktemp("images")
    for name, seed in SIZES.items():
        rng = np.random.default_rng(seed)
        (root / name).mkdir()
        for index in range(N):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8))
            coarse.resize((29, 37), Image.Resampling.BILINEAR).save(root / name / f"{index}.png")
    return root


class Network(torch.nn.Module):
    """Features and logits of (B, 3, H, W) in [0, 255]: averages over a grid, projected, without their sign."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.randn(48, D, generator=stream(1, "whole path")) / 50)
        self.register_buffer("head", torch.randn(D, CLASSES, generator=stream(2, "whole path")))

    @torch.no_grad()
    def forward(self, x):
        features = (torch.nn.functional.adaptive_avg_pool2d(x.float(), 4).flatten(1) @ self.weight).abs()
        return features, features @ self.head


class Clean(torch.nn.Module):
    """Images resized by Pillow's bicubic on floats, channel by channel, clipped and not rounded: what clean-fid says it does."""

    preprocessing = "Pillow bicubic on floats to 299x299, clipped"
    weights_sha256 = "c" * 64
    outputs = {"features": D, "logits": CLASSES}
    images_on_cpu = None

    def __init__(self, config):
        super().__init__()
        self.network = Network()

    def forward(self, images):
        resized = [[self.resized(channel) for channel in image] for image in images.numpy()]
        return dict(zip(self.outputs, self.network(torch.from_numpy(np.array(resized))), strict=True))

    @staticmethod
    def resized(channel):
        whole = Image.fromarray(channel.astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC)
        return np.asarray(whole).clip(0, 255)


class AsTheyAre(Clean):
    """Images as bytes, as torch-fidelity hands them over."""

    preprocessing = "none"
    weights_sha256 = "d" * 64

    def forward(self, images):
        return dict(zip(self.outputs, self.network(images), strict=True))


class ForTorchFidelity(FeatureExtractorBase):
    def __init__(self, name, features_list, **_):
        super().__init__(name, features_list)
        self.network = Network()

    @staticmethod
    def get_provided_features_list():
        return "features", "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "logits" if metric == "isc" else "features"

    @staticmethod
    def can_be_compiled():
        return False

    @staticmethod
    def get_dummy_input_for_compile():
        return None

    def forward(self, input):  # noqa: A002 - the name that torch-fidelity calls it by
        assert input.dtype == torch.uint8
        outputs = dict(zip(self.get_provided_features_list(), self.network(input), strict=True))
        return tuple(outputs[name] for name in self.features_list)


@pytest.fixture
def ours(folders, tmp_path, monkeypatch):
    """Values of metrics by name, through an extractor class, by what `harness measure` runs."""

    def measured(extractor, **settings):
        component = Extractor(extractor.__name__.lower(), build="x:y", summary="", outputs=extractor.outputs)
        monkeypatch.setattr(Extractor, "create", lambda _, config: extractor(config))
        at = Context(RunsFolder(tmp_path / "runs"), JobOptions(device="cpu"), "test")
        metrics = [resolve(Metric, name, chosen, where="test") for name, chosen in settings.items()]
        generated, real = (read_sources(str(folders / name), ReadingOptions(), at, where="test") for name in SIZES)
        plan = MeasurementPlan(tuple(metrics), Resolved(component, NoConfig(), "test", "1/1"), generated, real[0], batch=16)
        measurement = measure(plan, at)
        return {metric.metric.name: metric.mean for metric in measurement.metrics} | {
            name: values[0] for metric in measurement.metrics for name, values in metric.side_values.items()
        }

    return measured


def test_clean_fids_own_path_ends_at_the_same_fid(ours, folders, monkeypatch):
    # SciPy no longer takes the argument that clean-fid passes; the arithmetic is what it was.
    def sqrtm(matrix, disp):
        return scipy.linalg.sqrtm(matrix), 0.0

    monkeypatch.setattr(cleanfid.fid, "linalg", SimpleNamespace(sqrtm=sqrtm))
    network, shapes = Network(), set()

    def features(batch):
        shapes.add(tuple(batch.shape[1:]))
        return network(batch)[0]

    theirs = cleanfid.fid.compute_fid(
        str(folders / "generated"), str(folders / "real"), custom_feat_extractor=features, mode="clean", num_workers=0,
        batch_size=16, device=torch.device("cpu"), verbose=False,
    )  # fmt: skip
    assert shapes == {(3, 299, 299)}
    # Its features and means are in float32: 1e-6 of the distance at most here.
    assert ours(Clean, fid={})["fid"] == pytest.approx(theirs, rel=1e-5)


def test_torch_fidelitys_own_path_ends_at_the_same_numbers(ours, folders):
    torch_fidelity.register_feature_extractor("whole-path", ForTorchFidelity)
    theirs = torch_fidelity.calculate_metrics(
        input1=str(folders / "generated"), input2=str(folders / "real"), feature_extractor="whole-path", cuda=False,
        fid=True, kid=True, isc=True, prc=True, kid_subsets=10, kid_subset_size=30, isc_splits=4, batch_size=16,
        save_cpu_ram=True, cache=False, verbose=False, samples_shuffle=False,
    )  # fmt: skip
    values = ours(
        AsTheyAre, fid={}, kid={"subsets": 10, "subset_size": 30}, precision={}, recall={}, **{"is": {"splits": 4}},
    )  # fmt: skip
    assert values["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-5)
    assert values["precision"] == pytest.approx(theirs["precision"], abs=1e-6)
    assert values["recall"] == pytest.approx(theirs["recall"], abs=1e-6)
    for name, key in (("kid", "kernel_inception_distance"), ("is", "inception_score")):
        assert values[name] == pytest.approx(theirs[f"{key}_mean"], rel=1e-4), name
        assert values[f"{name} sd"] == pytest.approx(theirs[f"{key}_std"], rel=1e-3), name


def test_the_two_paths_differ_where_the_resizing_does(ours):
    # Had both the same number, the tests above would say nothing about resizing.
    assert ours(Clean, fid={})["fid"] != pytest.approx(ours(AsTheyAre, fid={})["fid"], rel=1e-4)
