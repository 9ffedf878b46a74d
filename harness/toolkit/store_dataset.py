"""Datasets whose images are in a store: how they are split, evaluation draws from the held-out part, and made-up images for smoke
runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.images.stores.index import Fingerprint
from harness.images.stores.reading import ImageStore
from harness.indexed import IndexedExamples, IndexedSource, StoredExamples, TrainingSet
from harness.indexed_sets import ChosenRows, IdentifiedSet
from harness.interfaces import DataSpec
from harness.streams import stream


@dataclass(frozen=True, eq=False)
class StoredImages(IndexedExamples):
    """The images of a store. Any process reads them from the files.

    Args:
        labels: (n,) int64, or None.
    """

    store: ImageStore
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.store)

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the images with these numbers, (k, C, H, W) uint8, and their labels."""
        values = torch.from_numpy(self.store.read(rows.numpy()))
        return StoredExamples(values, None if self.labels is None else self.labels[rows])


@dataclass(frozen=True, eq=False)
class Part:
    """Some images of a store.

    Args:
        rows: (n,) int64, their rows in the store.
        fingerprint: the hash of their shape, pixels and labels, in this order.
    """

    images: StoredImages
    rows: NDArray[np.int64]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.rows)

    def chosen(self, places: Tensor) -> ChosenRows:
        """Return the images at these places of the part."""
        return ChosenRows(self.images, torch.from_numpy(self.rows)[places])


class Contents:
    """A store that is opened once for all parts of a dataset: its labels, and the hashes of its images."""

    def __init__(self, store: ImageStore) -> None:
        labels = store.labels()
        self.images = StoredImages(store, None if labels is None else torch.from_numpy(labels))
        self.digests = store.digests()

    def part(self, rows: Sequence[int] | NDArray[np.int64]) -> Part:
        """Return the part with these rows, in this order."""
        numbers = np.asarray(rows, np.int64)
        fingerprint = Fingerprint(self.images.store.shape)
        labels = None if self.images.labels is None else self.images.labels.numpy()[numbers]
        fingerprint.add(self.digests[numbers], labels)
        return Part(self.images, numbers, fingerprint.hexdigest())

    def set_apart(self, rows: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Set n images apart, so that each class has about the same share among them as among all.

        The images of a class are sorted by their sha256, and the first ones are set apart: the choice depends on no random
        generator and not on the order of the images. An image of which there is a copy among `rows` is never set apart.

        Returns: the other rows, and those set apart, both in the order of `rows`. Raises: ValueError where there are fewer than n
            images without a copy, or where none would remain.
        """
        keys = self.keys(rows)
        order = np.argsort(keys, kind="stable")
        labels = np.zeros(len(rows), np.int64) if self.images.labels is None else self.images.labels.numpy()[rows]
        shares = _shares(labels[order])
        _, places, counts = np.unique(keys[order], return_inverse=True, return_counts=True)
        is_single = counts[places] == 1
        if not 0 <= n < len(rows) or n > int(is_single.sum()):
            raise ValueError(
                f"{n:,} of {len(rows):,} images cannot be set apart; {int(is_single.sum()):,} have no copy among them"
            )
        candidates = np.flatnonzero(is_single)
        ranked = candidates[np.argsort(shares[candidates], kind="stable")]
        is_chosen = np.zeros(len(rows), bool)
        is_chosen[order[ranked[:n]]] = True
        return rows[~is_chosen], rows[is_chosen]

    def keys(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return the first 64 bits of each image's sha256, (len(rows),). Two images of a million agree in them by chance once in
        ten million stores."""
        return np.ascontiguousarray(self.digests[rows, :8]).view(">u8").ravel().astype(np.uint64)


def _shares(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank of each image in its class, as a share of the class: (j + 0.5) / n_c."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    ranks = np.empty(len(labels))
    ranks[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    return (ranks + 0.5) / counts[labels]


class StoreDataset(IndexedSource):
    """A dataset of images in stores, in [-1, 1] once they are converted.

    An evaluation draw is a random subset of the held-out images, as with `harness.toolkit.image_dataset.ImageDataset`: draws 2k
    and 2k + 1 are the two halves of one shuffle, so that n is at most half of the held-out images. A draw of fewer images is the
    beginning of the draw of more.

    Args:
        name: name of the dataset in boards, for messages.
        spec: what one example is.
        train, held_out: the two parts, which share no image.
        selection: images that the curve compares with, in neither of the other parts; None where the curve compares with
            evaluation draws of its own numbers.
    """

    def __init__(self, name: str, spec: DataSpec, train: Part, held_out: Part, selection: Part | None = None) -> None:
        self.name, self.spec = name, spec
        self._train, self._held_out, self._selection = train, held_out, selection

    @property
    def largest_evaluation(self) -> int:
        """The largest n that `evaluation_set` takes: half of the held-out images."""
        return len(self._held_out) // 2

    @property
    def largest_selection(self) -> int | None:
        """The number of images kept for the curve; None where none are."""
        return None if self._selection is None else len(self._selection)

    @cached_property
    def _fingerprint(self) -> str:
        parts = [part.fingerprint for part in (self._train, self._held_out, self._selection) if part is not None]
        return hashlib.sha256(f"{self.spec.shape} {self.spec.classes} {' '.join(parts)}".encode()).hexdigest()

    def class_counts(self) -> tuple[int, ...]:
        """Return the number of training images of each class; empty where these are equal, and without classes."""
        labels = self._train.images.labels
        if not self.spec.classes or labels is None:
            return ()
        counts = torch.bincount(labels[torch.from_numpy(self._train.rows)], minlength=self.spec.classes)
        return () if counts.min() == counts.max() else tuple(counts.tolist())

    def training_set(self) -> TrainingSet:
        """Return the training images. Their fingerprint is that of all parts of the dataset, shape and labels."""
        images = self._train.chosen(torch.arange(len(self._train)))
        return IdentifiedSet(images, self.spec, self._fingerprint)

    def evaluation_set(self, draw: int, n: int) -> IndexedExamples:
        """Return evaluation set number `draw`. Raises: ValueError unless draw >= 0 and 1 <= n <= `largest_evaluation`."""
        _check_draw(draw, n)
        if n > self.largest_evaluation:
            raise ValueError(
                f"{self.name}: {n} evaluation images asked for; it holds {len(self._held_out)} out, and draws 2k and 2k + 1 are "
                f"disjoint halves of them: at most {self.largest_evaluation} each"
            )
        order = torch.randperm(len(self._held_out), generator=stream(0, "evaluation images", draw // 2))
        first = draw % 2 * self.largest_evaluation
        return self._held_out.chosen(order[first : first + n])

    def selection_set(self, draw: int, n: int) -> IndexedExamples:
        """Return selection set number `draw`. Raises: ValueError unless draw >= 0 and 1 <= n <= `largest_selection`."""
        _check_draw(draw, n)
        if self._selection is None or n > len(self._selection):
            raise ValueError(f"{self.name}: {n} selection images asked for; it keeps {self.largest_selection or 0}")
        order = torch.randperm(len(self._selection), generator=stream(0, "selection images", draw))
        return self._selection.chosen(order[:n])


@dataclass(frozen=True, eq=False)
class MadeUpImages(IndexedExamples):
    """Images of noise, each a function of its part and number, with the labels 0, 1, … in turn. They stand in for images that are
    not there.

    Args:
        part: what the images stand in for.
        n: number of images.
    """

    spec: DataSpec
    part: str
    n: int

    def __len__(self) -> int:
        return self.n

    def read(self, rows: Tensor) -> StoredExamples:
        """Return the images with these numbers."""
        numbers: list[int] = rows.tolist()
        images = [self._image(number) for number in numbers]
        values = torch.stack(images) if images else torch.empty(0, *self.spec.shape, dtype=torch.uint8)
        return StoredExamples(values, rows % self.spec.classes if self.spec.classes else None)

    def _image(self, number: int) -> Tensor:
        """Return one image. A large one is of blocks, at most 128 on a side, since drawing a million bytes takes a while."""
        channels, height, width = self.spec.shape
        block = max(1, max(height, width) // 64)
        generator = stream(0, f"made-up {self.part}", number)
        sides = (channels, -(-height // block), -(-width // block))
        blocks = torch.randint(0, 256, sides, dtype=torch.uint8, generator=generator)
        return blocks.repeat_interleave(block, 1).repeat_interleave(block, 2)[:, :height, :width]


class MadeUpDataset(IndexedSource):
    """A dataset of noise, for smoke runs: it has the shape and the number of classes of the real one, and needs no file.

    Args:
        train: number of training images.
        selection: number of images kept for the curve; 0: none are.
    """

    largest_evaluation = None

    def __init__(self, spec: DataSpec, *, train: int, selection: int = 0) -> None:
        self.spec, self._n, self._kept = spec, train, selection

    @property
    def largest_selection(self) -> int | None:
        """The number of images kept for the curve; None where none are."""
        return self._kept or None

    def training_set(self) -> TrainingSet:
        """Return the training images. Their fingerprint is that of all parts of the dataset."""
        text = f"made up: {self.spec} {self._n}" + (f" {self._kept}" if self._kept else "")
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return IdentifiedSet(MadeUpImages(self.spec, "training", self._n), self.spec, fingerprint)

    def evaluation_set(self, draw: int, n: int) -> IndexedExamples:
        """Return evaluation set number `draw`. Raises: ValueError unless draw >= 0 and n >= 1."""
        _check_draw(draw, n)
        return MadeUpImages(self.spec, f"evaluation {draw}", n)

    def selection_set(self, draw: int, n: int) -> IndexedExamples:
        """Return selection set number `draw`. Raises: ValueError unless draw >= 0 and 1 <= n <= `largest_selection`."""
        _check_draw(draw, n)
        if n > self._kept:
            raise ValueError(f"{n} selection images asked for; {self._kept} are kept")
        return ChosenRows(
            MadeUpImages(self.spec, "selection", self._kept),
            torch.randperm(self._kept, generator=stream(0, "selection", draw))[:n],
        )


def _check_draw(draw: int, n: int) -> None:
    if draw < 0 or n < 1:
        raise ValueError(f"need draw >= 0 and n >= 1, got {draw=}, {n=}")
