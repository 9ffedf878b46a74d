"""The frozen classifiers as extractors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors.torch import load
from torch import Tensor

from harness.config import NoConfig
from harness.errors import UserError
from harness.interfaces import FeatureExtractor
from harness.store.keys import file_sha256
from harness_classifiers.network import CLASSES, FEATURES, FROZEN, Frozen, SmallCNN, prepared


class Classifier(torch.nn.Module, FeatureExtractor):
    """A frozen classifier. Its features are the hidden layer, and its spatial features the first channels of the last map.

    Raises: UserError for a weights file that is not the pinned one.
    """

    def __init__(self, frozen: Frozen) -> None:
        super().__init__()
        check_weights(frozen)
        self.frozen, self.weights_sha256, self.preprocessing = frozen, frozen.sha256, frozen.preprocessing
        self.network = SmallCNN(frozen)
        self.network.load_state_dict(load(frozen.path.read_bytes()))
        self.network.requires_grad_(False)
        side = frozen.size // (frozen.strides[0] * frozen.strides[1])
        self.outputs = {"features": FEATURES, "logits": CLASSES, "spatial": frozen.spatial_channels * side**2}

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return all outputs of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        last_map = self.network.map(prepared(images, self.frozen.size))
        features = self.network.features(last_map)
        spatial = last_map[:, : self.frozen.spatial_channels].flatten(1)
        return {"features": features, "logits": self.network.classify(features), "spatial": spatial}


def check_weights(frozen: Frozen) -> None:
    """Check the weights file. Raises: UserError when it is not there, or is not the pinned one."""
    if not frozen.path.is_file():
        raise UserError(f"extractor {frozen.name}: {frozen.path} is not there; install finetune-harness again")
    if (actual := file_sha256(frozen.path)) != frozen.sha256:
        raise UserError(
            f"extractor {frozen.name}: {frozen.path} has sha256 {actual}, not {frozen.sha256}; install finetune-harness again"
        )


def digits_cnn(config: NoConfig) -> Classifier:  # noqa: ARG001 - every `build` is called with settings
    """Make the classifier for 8 × 8 digits."""
    return Classifier(FROZEN["digits-cnn"])


def mnist_cnn(config: NoConfig) -> Classifier:  # noqa: ARG001
    """Make the classifier for 28 × 28 digits."""
    return Classifier(FROZEN["mnist-cnn"])


def fashion_cnn(config: NoConfig) -> Classifier:  # noqa: ARG001
    """Make the classifier for 28 × 28 clothes, which other grey images may use too."""
    return Classifier(FROZEN["fashion-cnn"])
