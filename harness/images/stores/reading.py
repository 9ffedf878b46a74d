"""Reading of a store by row. Rows are read from the files at their places, so that a process never holds more than it asked for.

Mapped pages count as resident memory of a process until they are unmapped, and a pass in a random order touches every page of a
set. So the reader reads at places (`pread`), with the operating system's cache behind it, and maps nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import UserError
from harness.images.array_headers import read_header
from harness.images.arrays import stored
from harness.images.stores.index import AGAIN, Shard, StoreIndex, read_index
from harness.images.stores.row_checks import RowChecks
from harness.store.keys import file_sha256
from harness.store.reading import open_regular

LARGEST_SMALL = 2**31
"""Bytes of the largest file of labels or hashes that is read."""
SEQUENTIAL = 64
"""Images that are read at once where a whole store is read."""


@dataclass(frozen=True)
class ImageStore:
    """A store whose files are there, with the lengths that its index says.

    The object has no open file, so that it can be sent to other processes, and any number of threads may read.

    Args:
        folder: the folder of the store.
        starts: (shards + 1,) int64, the row at which each shard begins; the last entry is the number of images.
        offsets: bytes before the first image, in the file of each shard.
        checks: which images this process has compared with their hashes.
    """

    folder: Path
    index: StoreIndex
    starts: NDArray[np.int64]
    offsets: tuple[int, ...]
    checks: RowChecks = field(compare=False, repr=False)

    def __len__(self) -> int:
        return self.index.images

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of each image."""
        return self.index.shape

    def part(self, name: str) -> range:
        """Return the rows of a part. Raises: KeyError where the store has no such part."""
        start = 0
        for part in self.index.parts:
            if part.name == name:
                return range(start, start + part.images)
            start += part.images
        raise KeyError(name)

    def labels(self) -> NDArray[np.int64] | None:
        """Return the label of each image, (n,); None where the images have none. Raises: UserError for damaged files."""
        return _whole(self.folder, self.index, "labels") if self.index.classes else None

    def digests(self) -> NDArray[np.uint8]:
        """Return the sha256 of each image's bytes, (n, 32). Raises: UserError for damaged files."""
        return _whole(self.folder, self.index, "digests")

    def read(self, rows: ArrayLike) -> NDArray[np.uint8]:
        """Return the images of some rows, (len(rows), C, H, W) uint8, in the order of `rows`.

        Args: rows: (B,) whole numbers from 0 to len(self) - 1, in any order, also repeated.
        Raises: IndexError for rows outside of the store; UserError when a file was removed or cut short meanwhile, and for an
            image whose bytes are not those that were imported. Each is compared when the process reads it first.
        """
        wanted = np.asarray(rows, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows from {wanted.min()} to {wanted.max()} of a store of {len(self)} images")
        images = np.empty((len(wanted), *self.shape), np.uint8)
        shards = np.searchsorted(self.starts, wanted, "right") - 1
        for shard, runs in groupby(sorted(_runs(wanted, shards)), key=itemgetter(0)):
            self._fill(images, wanted, shard, [(first, last) for _, first, last in runs])
        if (changed := self.checks.first_changed(wanted, images)) is not None:
            raise self._changed(changed)
        return images

    def _changed(self, row: int) -> UserError:
        shard = int(np.searchsorted(self.starts, row, "right")) - 1
        path, number = self.folder / self.index.shards[shard].file("images"), row - self.starts[shard]
        return UserError(f"{path}: damaged: its image {number} is not the one that was imported; {AGAIN}")

    def _fill(self, images: NDArray[np.uint8], rows: NDArray[np.int64], shard: int, runs: Sequence[tuple[int, int]]) -> None:
        """Read the images of one shard into their places. runs: the first place of each run, and the place after its last."""
        path = self.folder / self.index.shards[shard].file("images")
        size = images[0].nbytes
        try:
            with open_regular(path) as file:
                for first, last in runs:
                    row = int(rows[first] - self.starts[shard])
                    _read_at(file.fileno(), images[first:last], self.offsets[shard] + row * size)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}; {AGAIN}") from None

    def batches(self, size: int = SEQUENTIAL) -> Iterator[NDArray[np.uint8]]:
        """Yield all images in their order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.read(np.arange(start, min(start + size, len(self))))

    def verify(self) -> None:
        """Read every file and compare it with its hash. Raises: UserError, which names the first one that differs."""
        for shard in self.index.shards:
            for kind, expected in shard.sha256.items():
                path = self.folder / shard.file(kind)
                try:
                    actual = file_sha256(path)
                except OSError as error:
                    raise UserError(f"{path}: cannot be read: {error.strerror}; {AGAIN}") from None
                if actual != expected:
                    raise UserError(f"{path}: damaged: it does not match its checksum; {AGAIN}")


KINDS: Mapping[str, tuple[str, tuple[int, ...]]] = {"labels": ("<i8", ()), "digests": ("|u1", (32,))}
"""Type and shape of what the small files of a shard hold of each image."""


def _whole(folder: Path, index: StoreIndex, kind: str) -> NDArray[Any]:
    """Return the values of all shards, which are small: labels or digests."""
    return np.concatenate([small_array(folder, shard, kind, *KINDS[kind]) for shard in index.shards])


def small_array(folder: Path, shard: Shard, kind: str, dtype: str, rest: tuple[int, ...]) -> NDArray[Any]:
    """Return what a file holds of each image of a shard. Raises: UserError where it is absent, or holds something else."""
    path = folder / shard.file(kind)
    try:
        array = stored(path)[""].read(largest=LARGEST_SMALL)
    except UserError as error:
        raise UserError(f"{error}; {AGAIN}") from None
    if array.dtype != np.dtype(dtype) or array.shape != (shard.images, *rest):
        raise UserError(f"{path}: damaged: {array.dtype} {array.shape}, and its shard has {shard.images} images; {AGAIN}")
    if file_sha256(path) != shard.sha256[kind]:
        raise UserError(f"{path}: damaged: it does not match its checksum; {AGAIN}")
    return array


def open_store(folder: Path) -> ImageStore:
    """Return the store in a folder, after a look at the header and the length of every file; no image is read.

    Raises: UserError like `read_index`; UserError where a file of images is absent, damaged, or of another shape.
    """
    index = read_index(folder)
    offsets = tuple(_offset(folder, shard, index.shape) for shard in index.shards)
    starts = np.cumsum([0, *(shard.images for shard in index.shards)])
    return ImageStore(folder, index, starts, offsets, RowChecks(index.images, partial(_whole, folder, index, "digests")))


def _offset(folder: Path, shard: Shard, shape: tuple[int, ...]) -> int:
    """Return the bytes before the first image in a shard's file of images. Raises: UserError unless the file has its length."""
    path = folder / shard.file("images")
    expected = (shard.images, *shape)
    try:
        with open_regular(path) as file:
            header = read_header(file)
            length = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; {AGAIN}") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged: {error}; {AGAIN}") from None
    is_whole = (header.shape, header.dtype, header.is_fortran) == (expected, np.dtype(np.uint8), False)
    if not is_whole or length != header.length + int(np.prod(expected)):
        raise UserError(f"{path}: damaged: it does not hold {shard.images} images of {shape}; {AGAIN}")
    return header.length


def _runs(rows: NDArray[np.int64], shards: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Yield (shard, first, last) for each run of rows that follow each other in one shard; `last` is the place after the run."""
    if not len(rows):
        return
    breaks = np.flatnonzero((np.diff(rows) != 1) | (np.diff(shards) != 0)) + 1
    edges = [0, *breaks.tolist(), len(rows)]
    for first, last in pairwise(edges):
        yield int(shards[first]), first, last


def _read_at(handle: int, images: NDArray[np.uint8], offset: int) -> None:
    """Fill the array with the bytes from `offset` on. Raises: OSError, also where the file ends before."""
    view = images.reshape(-1).data
    while len(view):
        count = os.preadv(handle, [view], offset)
        if not count:
            raise OSError("it ends before its last image")
        view, offset = view[count:], offset + count
