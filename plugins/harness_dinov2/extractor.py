"""DINOv2 as an extractor."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.config import NoConfig
from harness.errors import UserError
from harness_dinov2 import files
from harness_dinov2.network import VisionTransformer

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DINOv2(torch.nn.Module):
    """ViT-L/14, whose features are the class token after the last normalisation.

    Raises: UserError when the file is absent or holds other weights.
    """

    preprocessing = (
        f"grey to three equal channels; to {SIZE}x{SIZE} by torch bicubic, antialias, not clipped or rounded; / 255, less "
        "ImageNet's mean, over its deviation"
    )
    outputs = {"features": 1024}

    images_on_cpu = 16

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        path, self.weights_sha256 = files.WEIGHTS.verified(where="extractor dinov2")
        with torch.device("meta"):  # the weights come from the file: 300 million random numbers would be drawn for nothing
            self.network = VisionTransformer()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state, assign=True)
        except (pickle.UnpicklingError, RuntimeError, TypeError, EOFError) as error:
            # PyTorch's own message advises to run what is in the file.
            unread = isinstance(error, pickle.UnpicklingError)
            fault = "it is no PyTorch file of tensors alone" if unread else " ".join(str(error).split())[:300]
            raise UserError(f"extractor dinov2: {path} holds no weights of ViT-L/14: {fault}") from error
        self.network.float().requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the features of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        return {"features": self.network(prepared(images))}


def prepared(images: Tensor) -> Tensor:
    """Turn uint8 images (B, 1 or 3, H, W) into (B, 3, 224, 224) float32, as `DINOv2.preprocessing` says."""
    x = images.float().expand(-1, 3, -1, -1) / 255
    if x.shape[-2:] != (SIZE, SIZE):
        x = F.interpolate(x, size=(SIZE, SIZE), mode="bicubic", antialias=True, align_corners=False)
    mean, std = (x.new_tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return (x - mean) / std
