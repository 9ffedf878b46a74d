"""Small image files, and a cheap extractor (tests/fakes/pixel_features.py) of 6 features, 4 logits and 5 spatial features."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from pixel_features import COMPONENT

from harness import NoConfig
from harness.board.components import Resolved
from harness.stages.context import Context
from harness.stages.options import JobOptions
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
