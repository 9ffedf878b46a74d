"""The network of the three classifiers, its input, and the hashes of the frozen weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 64
"""Units of the hidden layer. They are so few that the covariance of their values over some hundred images has full rank."""
CLASSES = 10
WEIGHTS = Path(__file__).with_name("weights")
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, by ITU-R BT.601, which Pillow has too."""


@dataclass(frozen=True)
class Frozen:
    """A classifier of this package.

    Args:
        name: of the extractor and of its weights file.
        dataset: name of the dataset whose training part it was trained on.
        size: pixels a side.
        strides: strides of the second and third convolution.
        spatial_channels: how many channels of the last map are its spatial output.
        epochs, batch: passes over the training images, and images a step.
        shift: largest random shift of a training image, in pixels.
        sha256: hash of the weights file.
    """

    name: str
    dataset: str
    size: int
    strides: tuple[int, int]
    spatial_channels: int
    epochs: int
    batch: int
    shift: int
    sha256: str

    @property
    def path(self) -> Path:
        """The weights file."""
        return WEIGHTS / f"{self.name}.safetensors"

    @property
    def preprocessing(self) -> str:
        """One line that says what happens to uint8 images before the network."""
        side = self.size
        return (
            "colour to grey by 0.299 R + 0.587 G + 0.114 B, not rounded; "
            f"other sizes than {side}x{side} to it by torch bilinear, antialias, not rounded; / 127.5 - 1"
        )


FROZEN = {
    classifier.name: classifier
    for classifier in (
        Frozen(
            "digits-cnn",
            "digits",
            8,
            (2, 1),
            4,
            epochs=120,
            batch=64,
            shift=1,
            sha256="4a09655ebefd616da26ef022ca0ed194514439ae9cc4db26f678d22a12a33e14",
        ),
        Frozen(
            "mnist-cnn",
            "mnist",
            28,
            (2, 2),
            2,
            epochs=60,
            batch=64,
            shift=2,
            sha256="53ad4c5766934fed3c6dced8a635baeac3ef41ffe2e31185d287d965fdbdeb0f",
        ),
        Frozen(
            "fashion-cnn",
            "fashion-mnist",
            28,
            (2, 2),
            2,
            epochs=8,
            batch=128,
            shift=2,
            sha256="d3f81a50a93031d14809b0fb4d31bb7a1e47c17f8381c88ec85ef6328422cc76",
        ),
    )
}


class SmallCNN(nn.Module):
    """Three convolutions, a hidden layer of 64 units, ten logits.

    There is no batch normalisation, because an image's features must not depend on other images. The units are SiLU and not ReLU,
    because a ReLU that is 0 on all images makes a covariance singular.
    """

    def __init__(self, frozen: Frozen) -> None:
        super().__init__()
        second, third = frozen.strides
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, stride=second)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1, stride=third)
        side = frozen.size // (second * third)
        self.hidden = nn.Linear(32 * side * side, FEATURES)
        self.classify = nn.Linear(FEATURES, CLASSES)

    def map(self, x: Tensor) -> Tensor:
        """Return the last convolution's output, (B, 32, side, side), of images x (B, 1, size, size) in [-1, 1]."""
        return self.conv3(F.silu(self.conv2(F.silu(self.conv1(x)))))

    def features(self, last_map: Tensor) -> Tensor:
        """Return the features (B, 64) of what `map` returned."""
        return F.silu(self.hidden(F.silu(last_map).flatten(1)))


def prepared(images: Tensor, size: int) -> Tensor:
    """Turn uint8 images (B, 1 or 3, H, W) into (B, 1, size, size) float32, about [-1, 1], as `Frozen.preprocessing` says."""
    x = images.float()
    if x.shape[1] == 3:
        x = (x * x.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    if x.shape[-2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return x / 127.5 - 1


def as_bytes(x: Tensor) -> Tensor:
    """Return images in [-1, 1] as uint8, rounded, which is how they are stored."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
