"""NVIDIA's Inception as an extractor: the network of StyleGAN2-ADA, with its own resizing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import NoConfig
from harness_inception import script

WHERE = "extractor inception-nvidia"


class InceptionNvidia(torch.nn.Module):
    """The whole TorchScript network, which resizes inside. Its features are the pooled ones.

    StyleGAN2-ADA measures with this file. EDM and EDM2 measure with StyleGAN3's pickle of the same network, and so do their
    published statistics.

    Raises: UserError when the file is absent, or not the pinned one. No other file is loaded, since TorchScript is a program.
    """

    preprocessing = (
        "grey to three equal channels; to 299x299 inside the TorchScript of StyleGAN2-ADA: TensorFlow 1's bilinear by "
        "grid_sample, not rounded; (x - 128) / 128"
    )
    outputs = {"features": 2048}

    images_on_cpu = 25

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        self.network, self.weights_sha256 = script.load(where=WHERE)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the features of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        features = self.network(images.expand(-1, 3, -1, -1), return_features=True)
        return {"features": features.reshape(len(images), 2048).float()}
