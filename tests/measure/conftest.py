"""Small image files, and a cheap extractor (tests/fakes/pixel_features.py) of 6 features, 4 logits and 5 spatial features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from image_sets import image_set
from PIL import Image
from pixel_features import COMPONENT, PixelFeatures

from harness import Metric, NoConfig
from harness.board.components import Resolved
from harness.features import Moments
from harness.images.statistics_files import Metadata, StatisticsFile, StoredMoments
from harness.measure.image_source import ImageSource, identified_as, identified_by_pixels
from harness.measure.named_components import resolve
from harness.measure.plan import MeasurementPlan
from harness.stages.context import Context
from harness.stages.options import JobOptions
from harness.store.records import ExtractorFacts
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def context(tmp_path, monkeypatch):
    """What a job shares, with a runs folder of its own and on the CPU."""
    return Context(RunsFolder(tmp_path / "runs"), JobOptions(device="cpu"), "measure")


@pytest.fixture
def pixels():
    """The cheap extractor, as a plugin would provide it."""
    return Resolved(COMPONENT, NoConfig(), "fake", "1/1")


@pytest.fixture
def random_images():
    """Gives (n, channels, size, size) uint8 by seed."""

    def images(seed, n=20, *, channels=1, size=8):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)

    return images


@pytest.fixture
def write_folder(tmp_path):
    """Writes images (n, 1 or 3, height, width) as PNG files into a folder; returns its path."""

    def write(name, images):
        folder = tmp_path / name
        folder.mkdir()
        for index, image in enumerate(images):
            pixels = image[0] if len(image) == 1 else image.permute(1, 2, 0)
            Image.fromarray(pixels.numpy()).save(folder / f"{index:04}.png")
        return folder

    return write


@pytest.fixture
def make_source():
    """Returns images (n, channels, height, width) uint8, statistics, or both, as a source; pixels identify the images."""

    def make(name, images=None, statistics=None, **fields):
        images = None if images is None else image_set(images, name)
        identify = identified_as({}) if images is None else identified_by_pixels(images)
        return ImageSource(name, "test", images, identify, statistics, **fields)

    return make


@pytest.fixture
def make_statistics(tmp_path):
    """Returns statistics of `features` features as if they were found in a file.

    Args: n, extractor: what the file says of itself; with n None it says nothing.
    """

    def make(features=6, n=None, extractor="pixels", version="1/1", spatial=0):
        facts = ExtractorFacts(
            name=extractor, version=version, settings={}, weights_sha256=PixelFeatures.weights_sha256,
            preprocessing=PixelFeatures.preprocessing,
        )  # fmt: skip
        metadata = None if n is None else Metadata(n=n, source="real", pixels="p", shape=(1, 8, 8), extractor=facts)
        table = {"moments": StoredMoments.of(Moments(n, np.zeros(features), np.eye(features)))}
        if spatial:
            table["spatial"] = StoredMoments.of(Moments(n, np.zeros(spatial), np.eye(spatial)))
        return StatisticsFile(tmp_path / "statistics.npz", "test", {"": table}, metadata)

    return make


@pytest.fixture
def make_plan(pixels):
    """Returns a plan with metrics by name and settings: `make_plan([samples], real, fid={"few_images": True})`."""

    def make(samples, reference=None, write_statistics=None, batch=8, **settings):
        metrics = tuple(resolve(Metric, name, chosen, where="--metrics") for name, chosen in settings.items())
        return MeasurementPlan(metrics, pixels, samples, reference, batch, write_statistics)

    return make
