"""clean-fid's Inception as an extractor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from cleanfid.resize import make_resizer
from torch import Tensor

from harness.config import NoConfig
from harness_inception import script


class InceptionClean(torch.nn.Module):
    """NVIDIA's TorchScript network after Pillow's resizing. Its features are the pooled ones.

    Raises: UserError when the file is absent, or not the pinned one. No other file is loaded, since TorchScript is a program.
    """

    preprocessing = (
        "grey to three equal channels; each to 299x299 by Pillow's bicubic on 32-bit floats, clipped to [0, 255], not rounded "
        "(clean-fid's mode clean); (x - 128) / 128"
    )
    outputs = {"features": 2048}

    images_on_cpu = 25

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        where = "extractor inception-clean"
        network, self.weights_sha256 = script.load(where=where)
        try:
            self.layers = network.layers
        except AttributeError as error:
            raise script.no_network(where, error) from error
        self._resize = make_resizer("PIL", False, "bicubic", (299, 299))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the features of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        colour = images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
        resized = torch.from_numpy(np.stack([self._resize(image) for image in colour])).permute(0, 3, 1, 2)
        features = self.layers.forward((resized.to(images.device) - 128) / 128)
        return {"features": features.reshape(len(images), 2048).float()}
