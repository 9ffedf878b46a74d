"""scikit-learn's digits, split in halves, of which one trains."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from harness.errors import UserError
from harness.toolkit.image_dataset import ImageDataset, Images, set_apart, split
from harness_digits import DigitsConfig

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Hash of all images and labels in scikit-learn's order."""

WHITE = 16
"""Value of the brightest pixel: a pixel counts the dots of a 4 × 4 block."""


def digits(config: DigitsConfig) -> ImageDataset:
    """Make the dataset: images (1, 8, 8) in [-1, 1] of 17 grey levels, 10 classes.

    Raises: UserError for other images than the pinned ones.
    """
    train, held_out = split(_read(), share=0.5, salt="digits")
    if not config.selection:
        return ImageDataset("digits", train, held_out, classes=10, white=WHITE)
    held_out, selection = set_apart(held_out, config.selection, salt="digits selection")
    return ImageDataset("digits", train, held_out, classes=10, white=WHITE, selection=selection)


def _read() -> Images:
    pixels, labels = load_digits(return_X_y=True)
    images = Images(torch.from_numpy(pixels).to(torch.uint8).reshape(-1, 1, 8, 8), torch.from_numpy(labels).long())
    if images.sha256 != SHA256:
        raise UserError(
            f"dataset digits: this scikit-learn has other digits (sha256 {images.sha256}, expected {SHA256}); "
            "numbers of this dataset need the pinned ones; reinstall scikit-learn from PyPI"
        )
    return images
