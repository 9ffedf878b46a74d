"""Extractors of tests: random projections of pixels, with all three kinds of outputs, of no use but cheap."""

from __future__ import annotations

import hashlib

import torch

from harness import Extractor, hookimpl
from harness.interfaces import FeatureExtractor
from harness.streams import stream

OUTPUTS = {"features": 6, "logits": 4, "spatial": 5}


class PixelFeatures(torch.nn.Module, FeatureExtractor):
    """Linear in 4 × 4 averages of the grey image."""

    preprocessing = "grey, averaged to 4x4, / 255"
    weights_sha256 = hashlib.sha256(b"pixel features 1").hexdigest()
    outputs = OUTPUTS
    images_on_cpu: int | None = None

    def __init__(self, config=None):
        super().__init__()
        self.register_buffer("weight", torch.randn(16, 15, generator=stream(1, "pixel features")))
        self.images_seen = 0

    @torch.no_grad()
    def forward(self, images):
        self.images_seen += len(images)
        grey = images.float().mean(1, keepdim=True) / 255
        flat = torch.nn.functional.adaptive_avg_pool2d(grey, 4).flatten(1) @ self.weight
        return dict(zip(OUTPUTS, flat.split(list(OUTPUTS.values()), dim=1), strict=True))


class BatchDependent(PixelFeatures):
    """Breaks the rule: rows depend on the rest of the batch."""

    def forward(self, images):
        return {name: rows - rows.mean(0) for name, rows in super().forward(images).items()}


class NotFinite(PixelFeatures):
    """Gives features that are not numbers."""

    def forward(self, images):
        return {name: rows * float("nan") for name, rows in super().forward(images).items()}


COMPONENT = Extractor("pixels", build="pixel_features:PixelFeatures", summary="projections of pixels", outputs=OUTPUTS)


@hookimpl
def harness_extractors():
    return [COMPONENT]
