"""Datasets of a fixed number of images: how they are split, and evaluation draws from the held-out part."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from harness.indexed import IndexedSource, StoredExamples
from harness.indexed_sets import ChosenRows, IdentifiedSet, InMemory
from harness.interfaces import DataSpec
from harness.streams import stream


@dataclass(frozen=True)
class Images:
    """Labelled images as stored: `pixels` (n, C, H, W) uint8, `labels` (n,) int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: Tensor | slice) -> Images:
        return Images(self.pixels[index], self.labels[index])

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of all pixels, and then of all labels, one byte each, in the order of the images; 64 hex digits."""
        whole = hashlib.sha256(self.pixels.contiguous().numpy().tobytes())
        whole.update(self.labels.to(torch.uint8).numpy().tobytes())
        return whole.hexdigest()


def split(images: Images, *, share: float, salt: str) -> tuple[Images, Images]:
    """Split images into a training part and a held-out part.

    Images are sorted by sha256(salt + bytes of the image). The first images of each class, `share` of them (rounded up), are the
    training part. Both parts keep the sorted order. So the split depends on no random generator, on no version of a library,
    and not on the order of the images in their file.

    Returns: training part, held-out part. Raises: ValueError unless 0 < share < 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"need 0 < share < 1, got {share=}")
    hashes = [hashlib.sha256(salt.encode() + image.tobytes()).digest() for image in images.pixels.numpy()]
    order = torch.tensor(sorted(range(len(images)), key=hashes.__getitem__))
    labels = images.labels[order]
    train = torch.zeros(len(images), dtype=torch.bool)
    for label in labels.unique():
        (places,) = torch.nonzero(labels == label, as_tuple=True)
        train[places[: int(np.ceil(share * len(places)))]] = True
    return images[order[train]], images[order[~train]]


def set_apart(images: Images, n: int, *, salt: str) -> tuple[Images, Images]:
    """Set n images apart, so that each class has about the same share among them as among all.

    Images of a class are sorted by sha256(salt + bytes of the image), and the first ones are set apart. So the choice depends on
    no random generator, on no version of a library, and not on the order of the images.

    Returns: the other images, in their order, and those set apart, sorted by their hash. Raises: ValueError unless
        0 <= n < len(images).
    """
    if not 0 <= n < len(images):
        raise ValueError(f"need 0 <= n < {len(images)}, got {n=}")
    hashes = [hashlib.sha256(salt.encode() + image.tobytes()).digest() for image in images.pixels.numpy()]
    order = sorted(range(len(images)), key=hashes.__getitem__)
    counts, seen = images.labels.bincount().tolist(), [0] * (int(images.labels.max()) + 1)
    ranks = list[tuple[float, int]]()  # of an image in its class, as a share of the class: the smallest n are set apart
    for place, label in enumerate(images.labels[order].tolist()):
        ranks.append(((seen[label] + 0.5) / counts[label], place))
        seen[label] += 1
    chosen = torch.tensor([order[place] for place in sorted(place for _, place in sorted(ranks)[:n])], dtype=torch.int64)
    remains = torch.ones(len(images), dtype=torch.bool)
    remains[chosen] = False
    return images[torch.nonzero(remains).flatten()], images[chosen]


class ImageDataset(IndexedSource):
    """A dataset of fixed images, in [-1, 1].

    An evaluation draw is a random subset of the held-out images, without replacement. Draws 2k and 2k + 1 are the two halves of
    one shuffle. They share no image, so that a floor between them compares disjoint sets; therefore n is at most half of the
    held-out images. Draws of different k overlap, as they must where images are finite. A spread over such draws says how much a
    value depends on the choice of images; it is smaller than the spread between new images would be.

    A selection draw is a random subset of the images kept for the curve. It shares no image with any evaluation draw, and other
    selection draws overlap with it.

    A draw of fewer images is the beginning of the draw of more.

    Args:
        name: name of the dataset in boards, for messages.
        train, held_out: the two parts, which share no image.
        classes: number of labels.
        white: the pixel value that becomes 1; 0 becomes -1.
        selection: images that the curve compares with, in neither of the other parts; None where the curve compares with
            evaluation draws of its own numbers.
    """

    def __init__(
        self, name: str, train: Images, held_out: Images, *, classes: int, white: int = 255, selection: Images | None = None
    ) -> None:
        _, channels, height, width = train.pixels.shape
        self.name, self.spec = name, DataSpec((channels, height, width), classes=classes, preview="images")
        self._train, self._held_out, self._white, self._selection = train, held_out, white, selection

    @property
    def largest_evaluation(self) -> int:
        """The largest n that `evaluation` takes: half of the held-out images."""
        return len(self._held_out) // 2

    @property
    def largest_selection(self) -> int | None:
        """The number of images kept for the curve; None where none are."""
        return None if self._selection is None else len(self._selection)

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the images and labels of all parts, their shape and their scale; 64 hex digits."""
        text = f"{self.spec.shape} {self._white} {self._train.sha256} {self._held_out.sha256}"
        if self._selection is not None:
            text += f" {self._selection.sha256}"
        return hashlib.sha256(text.encode()).hexdigest()

    def training_set(self) -> IdentifiedSet:
        """Return all training images, (n, C, H, W) uint8, which become floats in [-1, 1]."""
        return IdentifiedSet(self._set(self._train), self.spec, self.fingerprint)

    def evaluation_set(self, draw: int, n: int) -> ChosenRows:
        """Return evaluation set number `draw`, (n, C, H, W) uint8, which become floats in [-1, 1].

        Raises: ValueError unless draw >= 0 and 1 <= n <= `largest_evaluation`.
        """
        _check_draw(draw, n)
        if n > self.largest_evaluation:
            raise ValueError(
                f"{self.name}: {n} evaluation images asked for; it holds {len(self._held_out)} out, and draws 2k and 2k + 1 are "
                f"disjoint halves of them: at most {self.largest_evaluation} each"
            )
        order = torch.randperm(len(self._held_out), generator=stream(0, "evaluation images", draw // 2))
        first = draw % 2 * self.largest_evaluation
        return ChosenRows(self._set(self._held_out), order[first : first + n])

    def selection_set(self, draw: int, n: int) -> ChosenRows:
        """Return selection set number `draw`, (n, C, H, W) uint8, which become floats in [-1, 1].

        Raises: ValueError unless draw >= 0 and 1 <= n <= `largest_selection`.
        """
        _check_draw(draw, n)
        if self._selection is None or n > len(self._selection):
            raise ValueError(f"{self.name}: {n} selection images asked for; it keeps {self.largest_selection or 0}")
        order = torch.randperm(len(self._selection), generator=stream(0, "selection images", draw))
        return ChosenRows(self._set(self._selection), order[:n])

    def _set(self, images: Images) -> InMemory:
        return InMemory(StoredExamples(images.pixels, images.labels), white=self._white)


def _check_draw(draw: int, n: int) -> None:
    if draw < 0 or n < 1:
        raise ValueError(f"need draw >= 0 and n >= 1, got {draw=}, {n=}")
