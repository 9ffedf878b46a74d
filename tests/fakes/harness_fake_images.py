"""A plugin with one dataset of small images, each of one shade, for tests of previews."""

from __future__ import annotations

import torch
from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.interfaces import Batch, DataSpec

__version__ = "1"


class ShadesConfig(Config):
    channels: int = Field(1, ge=1, description="channels of an image; 4 are latents, which nobody can look at")


@hookimpl
def harness_datasets():
    return [Dataset("shades", build="harness_fake_images:Shades", summary="", config=ShadesConfig)]


def shades(n, channels=1):
    """Images (n, channels, 2, 2); image i is of one shade, i / 255 of the way from black to white."""
    return (torch.arange(n) / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, channels, 2, 2)


class Shades:
    """Image i is of shade i and of class i % 10."""

    largest_evaluation = None

    def __init__(self, config):
        self.spec = DataSpec((config.channels, 2, 2), classes=10, preview="images")
        self.fingerprint = f"shades-{config.channels}"

    def train(self):
        return self.evaluation(0, 100)

    def evaluation(self, draw, n):
        return Batch(shades(n, self.spec.shape[0]), torch.arange(n) % 10)
