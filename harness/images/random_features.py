"""Random features of images, which stand in for an extractor's in smoke runs. Their numbers mean nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from harness.images.stand_in import StandInConfig
from harness.streams import stream

SIDE = 8


class RandomFeatures(torch.nn.Module):
    """Projects coarse pixels of an image to every output by fixed random numbers, and bends them by tanh.

    Features depend on the image alone, as those of a real extractor do, and images that differ have features that differ.
    """

    preprocessing = f"stand-in of a smoke run: grey to three equal channels; means over {SIDE}x{SIDE} parts; random projections"

    images_on_cpu = None

    def __init__(self, config: StandInConfig) -> None:
        super().__init__()
        self.outputs: Mapping[str, int] = config.outputs
        self.weights_sha256 = hashlib.sha256(f"random features: {sorted(config.outputs.items())}".encode()).hexdigest()
        for name, size in config.outputs.items():
            projection = torch.randn(3 * SIDE * SIDE, size, generator=stream(0, f"random features {name}"))
            self.register_buffer(f"to_{name}", projection)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return all outputs of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        coarse = adaptive_avg_pool2d(images.float().expand(-1, 3, -1, -1) / 255 - 0.5, SIDE).flatten(1)
        return {name: torch.tanh(coarse @ self.get_buffer(f"to_{name}")) for name in self.outputs}
