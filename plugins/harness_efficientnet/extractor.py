"""EfficientNet-Lite0 as an extractor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.config import NoConfig
from harness_efficientnet.files import NAME, weights_file

SIZE = 224
"""Side of the images that the network was trained on."""

SMALL_SIZE = 64
"""Side of the images of the fast extractor: two last maps a side, whose mean still tells the images of small datasets apart."""

LAST_OF_14 = 10
"""Index of the last block whose maps are 14 × 14. Its output is linear, so that no unit is 0 on all images."""
SPATIAL_CHANNELS = 7
"""Number of maps in the spatial features: as many as sFID takes of Inception."""


class EfficientNetLite0(torch.nn.Module):
    """EfficientNet-Lite0. Its features are the average-pooled last maps, its spatial features seven maps of 14 × 14.

    The Lite networks were trained on (x - 127) / 128, not on ImageNet's mean and deviation; the means in the first
    normalisation layer of these weights agree with that.
    """

    size = SIZE
    images_on_cpu = 16

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package is old, and warns about its own code
            from efficientnet_lite_pytorch import EfficientNet

            self.network = EfficientNet.from_name("efficientnet-lite0")
        path, self.weights_sha256 = weights_file().verified(where=NAME)
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.requires_grad_(False)
        self.network.eval()
        self.outputs = {"features": 1280, "logits": 1000, "spatial": SPATIAL_CHANNELS * 14 * 14}

    @property
    def preprocessing(self) -> str:
        """The work that is done on images before the first layer."""
        return (
            f"grey to three equal channels; to {self.size}x{self.size} by torch bicubic, antialias, clipped to [0, 255], not "
            "rounded; (x - 127) / 128"
        )

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return all outputs of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        net, spatial = self.network, images
        x = net._swish(net._bn0(net._conv_stem(prepared(images, self.size))))
        for index, block in enumerate(net._blocks):
            x = block(x)
            if index == LAST_OF_14:
                spatial = x[:, :SPATIAL_CHANNELS].flatten(1)
        features = net._swish(net._bn1(net._conv_head(x))).mean((2, 3))
        return {"features": features, "logits": net._fc(features), "spatial": spatial}


class EfficientNetLite0At64(EfficientNetLite0):
    """EfficientNet-Lite0 on images of 64 × 64, without spatial features: its maps of that depth are 4 × 4.

    An image costs a twelfth of the time. The features are those of images that look small to the network, so that a Fréchet
    distance on them is another number than the one at 224 × 224.
    """

    size = SMALL_SIZE
    images_on_cpu = 196  # as many pixels at once as 16 images of 224 × 224

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.outputs = {"features": 1280, "logits": 1000}

    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return features and logits of images, grey or colour and of any size."""
        outputs = super().forward(images)
        return {name: outputs[name] for name in self.outputs}


def prepared(images: Tensor, size: int = SIZE) -> Tensor:
    """Turn uint8 images (B, 1 or 3, H, W) into (B, 3, size, size) float32, as `EfficientNetLite0.preprocessing` says."""
    x = images.float().expand(-1, 3, -1, -1)
    if x.shape[-2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
    return (x - 127) / 128
