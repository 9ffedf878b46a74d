"""CIFAR-10's published archives as sources: the version for Python and the binary one, packed or unpacked."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.images.importing.source import TEST, TRAIN, Source, SourceImage
from harness.store.reading import open_regular, read_bytes
from harness.weights import pickles

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
CLASSES = 10
BATCHES = {TRAIN: [f"data_batch_{number}" for number in range(1, 6)], TEST: ["test_batch"]}
"""The names of the files of each part, in the order of the images."""
LARGEST_BATCH = 64 * 2**20
"""Bytes of the largest file that is read. A batch of 10,000 images has 31,000,000."""
LARGEST_ARCHIVE = 2**30
"""Bytes of the largest archive once it is unpacked. The published one has 186,000,000."""
AGAIN = "get the archive again"

Read = Callable[[str], bytes]
"""Returns the content of a file of the archive by its name without folders."""


@dataclass(frozen=True)
class Form:
    """One of the two published forms.

    Args:
        suffix: of the names of batches.
        classes: name of the file with the names of the classes.
        batch: returns pixels (n, 3, 32, 32) and labels (n,) of the content of a batch; `where` begins messages.
        names: returns the names of the classes in the content of their file.
    """

    suffix: str
    classes: str
    batch: Callable[[bytes, str], tuple[NDArray[np.uint8], NDArray[np.int64]]]
    names: Callable[[bytes, str], list[str]]


def recognise(path: Path) -> bool:
    """Return whether a path is an archive or a folder of CIFAR-10: cifar-10-python.tar.gz, cifar-10-batches-bin, …"""
    if path.is_dir():
        return any((path / f"{BATCHES[TRAIN][0]}{form.suffix}").is_file() for form in FORMS)
    return path.is_file() and path.name.startswith("cifar-10-") and path.name.endswith((".tar.gz", ".tgz"))


def of_archive(path: Path) -> Source:
    """Return CIFAR-10's images, the training part first, in the order of the batches.

    Raises: UserError for an archive that is damaged or lacks a file, and for batches that hold something else.
    """
    with _opened(path) as (names, read):
        form = _form(path, names)
        classes = form.names(read(form.classes), f"{path}/{form.classes}")
        files = {part: [f"{name}{form.suffix}" for name in batches] for part, batches in BATCHES.items()}
        if absent := [name for batches in files.values() for name in batches if name not in names]:
            raise UserError(f"{path}: has no {absent[0]}; {AGAIN}")
        labels = {
            part: np.concatenate([form.batch(read(name), f"{path}/{name}")[1] for name in batches])
            for part, batches in files.items()
        }
    parts = tuple((part, len(numbers)) for part, numbers in labels.items())
    order = [name for batches in files.values() for name in batches]
    return Source(
        str(path),
        "CIFAR-10's published archive",
        parts,
        tuple(classes),
        np.concatenate(list(labels.values())),
        lambda start: _images(path, form, order, start),
        f"{form.suffix} {parts}",
    )


def _form(path: Path, names: Sequence[str]) -> Form:
    form = next((form for form in FORMS if f"{BATCHES[TRAIN][0]}{form.suffix}" in names), None)
    if form is None or form.classes not in names:
        raise UserError(f"{path}: no archive of CIFAR-10: it has no {BATCHES[TRAIN][0]} and no {FORMS[0].classes}; {AGAIN}")
    return form


def _images(path: Path, form: Form, order: Sequence[str], start: int) -> Iterator[SourceImage]:
    """Yield the images from number `start` on; one batch is in memory at a time."""
    first = 0
    with _opened(path) as (_, read):
        for name in order:
            pixels, _ = form.batch(read(name), f"{path}/{name}")
            for number in range(max(start - first, 0), len(pixels)):
                yield SourceImage(f"{name}, image {number}", partial(_itself, pixels[number]))
            first += len(pixels)


def _itself(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


class _Unpacked(gzip.GzipFile):
    """The content of a packed archive, as far as an archive of CIFAR-10 goes. Raises: OSError beyond that, for a bomb."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= LARGEST_BATCH:
            raise OSError(f"it holds more than {LARGEST_BATCH:,} bytes in one piece")
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset > LARGEST_ARCHIVE:
            raise OSError(f"it unpacks to more than {LARGEST_ARCHIVE:,} bytes")
        return super().seek(offset, whence)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Sequence[str], Read]]:
    """Yield the names of the files and a function that reads one. Nothing is ever unpacked to disk."""
    if path.is_dir():
        yield [file.name for file in path.iterdir()], lambda name: _content(path / name)
        return
    try:
        with open_regular(path) as packed, _Unpacked(fileobj=packed) as file, tarfile.TarFile(fileobj=file) as archive:
            members = {PurePosixPath(member.name).name: member for member in archive.getmembers() if member.isreg()}
            yield list(members), lambda name: _member(archive, members, name, path)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read as a .tar.gz: {error}; {AGAIN}") from error


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, largest=LARGEST_BATCH)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; {AGAIN}") from error


def _member(archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], name: str, path: Path) -> bytes:
    member = members[name]
    file = archive.extractfile(member) if member.size <= LARGEST_BATCH else None
    if file is None:
        raise UserError(f"{path}/{name}: has {member.size:,} bytes; a batch of CIFAR-10 has fewer than {LARGEST_BATCH:,}")
    return file.read()


def _python_batch(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    table = _pickle(content, where)
    data, labels = table.get("data"), table.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS:
        raise UserError(f"{where}: its `data` are no images of CIFAR-10, (n, {PIXELS}) uint8; {AGAIN}")
    if not isinstance(labels, list) or len(labels) != len(data) or not all(type(label) is int for label in labels):
        raise UserError(f"{where}: its `labels` are no whole numbers, one for each image; {AGAIN}")
    return data.reshape(-1, *SHAPE), _checked_labels(np.array(labels, np.int64), where)


def _python_names(content: bytes, where: str) -> list[str]:
    names = _pickle(content, where).get("label_names")
    if not isinstance(names, list) or len(names) != CLASSES or not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: it does not name {CLASSES} classes; {AGAIN}")
    return [str(name) for name in names]


def _pickle(content: bytes, where: str) -> dict[object, object]:
    """Return the table in a pickle, whose keys are text in files of Python 2 and bytes in others."""
    try:
        table = pickles.loads(content)
    except pickles.RefusedPickle as error:
        raise UserError(f"{where}: {error}; {AGAIN}") from None
    if not isinstance(table, dict):
        raise UserError(f"{where}: no table of images; {AGAIN}")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in table.items()}


def _binary_batch(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if not content or len(content) % (PIXELS + 1):
        raise UserError(f"{where}: {len(content):,} bytes are no whole number of images of {PIXELS + 1}; {AGAIN}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, PIXELS + 1)
    return rows[:, 1:].reshape(-1, *SHAPE), _checked_labels(rows[:, 0].astype(np.int64), where)


def _binary_names(content: bytes, where: str) -> list[str]:
    names = content.decode("latin1").split()
    if len(names) != CLASSES:
        raise UserError(f"{where}: it names {len(names)} classes, and CIFAR-10 has {CLASSES}; {AGAIN}")
    return names


def _checked_labels(labels: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    if len(labels) and not (labels.min() >= 0 and labels.max() < CLASSES):
        raise UserError(f"{where}: labels from {labels.min()} to {labels.max()}; {AGAIN}")
    return labels


FORMS = (
    Form("", "batches.meta", _python_batch, _python_names),
    Form(".bin", "batches.meta.txt", _binary_batch, _binary_names),
)
"""The version for Python, and the binary one."""
