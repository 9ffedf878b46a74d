"""A source of images: its images in a fixed order, with their names, labels and parts, each read when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALL = "all"
"""The name of the part of a source that has no parts."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class SourceImage:
    """An image of a source.

    Args:
        name: its name in messages, from the source on.
        read: returns the content: the bytes of an image file, or the pixels (C, H, W) uint8. Raises: UserError for an image that
            is damaged.
    """

    name: str
    read: Callable[[], bytes | NDArray[np.uint8]]


@dataclass(frozen=True)
class Source:
    """The images that an import reads.

    Args:
        name: the name of the source in messages.
        form: what was recognised, in a few words: "folders of classes".
        parts: (name, number of images) of each part, in the order of the images.
        classes: the names of the classes; empty where the images have no labels.
        labels: (n,) int64, the label of each image; None where the images have none.
        images: `images(start)` yields the images from number `start` on, in their order.
        listing: a text that changes whenever other images are read, or in another order, such as `listed` of their names.
        remarks: what the user should know before the import.
        contents: returns a text that changes when images of the same names are replaced, as far as lengths or checksums tell
            without reading them; empty where `listing` tells it.
    """

    name: str
    form: str
    parts: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None
    images: Callable[[int], Iterator[SourceImage]]
    listing: str
    remarks: tuple[str, ...] = ()
    contents: Callable[[], str] = str

    def __len__(self) -> int:
        return sum(count for _, count in self.parts)

    @property
    def fingerprint(self) -> str:
        """A hash of what the source lists: an import goes on only while its source lists the same."""
        whole = hashlib.sha256(f"{self.listing}\n{self.parts}\n{self.classes}\n".encode(errors="surrogateescape"))
        if self.labels is not None:
            whole.update(self.labels.astype("<i8").tobytes())
        return whole.hexdigest()

    def part_at(self, number: int) -> str:
        """Return the part that image `number` belongs to."""
        for name, count in self.parts:
            if number < count:
                return name
            number -= count
        raise IndexError(number)


def listed(names: Iterable[str]) -> str:
    """Return a hash of names in their order, 64 hex digits."""
    whole = hashlib.sha256()
    for name in names:
        whole.update(f"{name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def natural_order(names: Sequence[str]) -> list[str]:
    """Return the names of classes in the order of their labels: by number where all are whole numbers, else by letters.

    By letters, class 10 would come before class 2, and would have the label 2.
    """
    if names and all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
