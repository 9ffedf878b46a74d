"""Folders and zip archives as sets of images. An archive is read in place; nothing is ever extracted to disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from harness.errors import UserError
from harness.images import zip_archives
from harness.images.decode import FORMATS, Decoded, decode
from harness.images.sets import ImageSet, images_at_once
from harness.store.reading import NotRegular, read_bytes

LARGEST_FILE = 256 * 2**20
"""The largest size, in bytes, of an image file, after it is unpacked from an archive."""
LARGEST_RATIO = 200
"""The largest ratio of unpacked to packed bytes of an image file above SMALL. Image formats are compressed already, so image
files never reach it; decompression bombs exceed it."""
SMALL = 2**20
"""An image file of at most this unpacked size, in bytes, may have any such ratio."""
UNIFORM = "a set has images of one size and one format"

Read = Callable[[str], bytes]
"""Returns the content of an image file, given its name."""


@dataclass(frozen=True)
class ImageFiles:
    """The image files of a folder or an archive, in a fixed order.

    Args:
        name: the name of the folder or archive in messages.
        names: the names of the images, sorted.
        ignored: number of files that are not among the images.
        opened: returns a context in which the folder or archive is open. The context yields a function that reads an image file
            by its name.
        links: number of links to folders, which are not followed.
        unapplied: for each property that viewers would apply (`harness.images.losses`), the names of the images that have it, as
            far as they were read.
    """

    name: str
    names: tuple[str, ...]
    ignored: int
    opened: Callable[[], AbstractContextManager[Read]]
    links: int = 0
    unapplied: dict[str, set[str]] = field(default_factory=dict, compare=False)

    def as_set(self) -> ImageSet:
        """Return the images as a set. All must have the size and format of the first image.

        Raises: UserError when the first image is damaged. Reading the set raises UserError for a later image that is damaged, or
        of another size or format.
        """
        with self.opened() as read:
            image = self._decoded(self.names[0], read)
        # Of the first image, only size and format are kept.
        first = replace(image, pixels=np.broadcast_to(np.uint8(0), image.pixels.shape))

        def batches(size: int) -> Iterator[Tensor]:
            with self.opened() as read:
                count = images_at_once(size, first.pixels.shape)
                for start in range(0, len(self.names), count):
                    names = self.names[start : start + count]
                    pixels = np.empty((len(names), *first.pixels.shape), np.uint8)
                    for index, name in enumerate(names):
                        pixels[index] = self._decoded_like(first, name, read).pixels
                    yield torch.from_numpy(pixels)

        return ImageSet(self.name, len(self.names), first.pixels.shape, batches)

    @property
    def form(self) -> str:
        """The images' format, e.g. PNG, by the suffix of the first name."""
        return _format_of(self.names[0])

    def _decoded(self, name: str, read: Read) -> Decoded:
        image = decode(read(name), where=f"{self.name}/{name}")
        for unapplied in image.unapplied:
            self.unapplied.setdefault(unapplied, set()).add(name)
        return image

    def _decoded_like(self, first: Decoded, name: str, read: Read) -> Decoded:
        image = self._decoded(name, read)
        if (image.pixels.shape, image.form) != (first.pixels.shape, first.form):
            raise UserError(f"{self.name}: {name} is {_described(image)}, but {self.names[0]} is {_described(first)}; {UNIFORM}")
        return image


def _described(image: Decoded) -> str:
    channels, height, width = image.pixels.shape
    return f"a {'grey' if channels == 1 else 'colour'} {image.form} of {width}x{height}"


def folder(path: Path, *, of_one_format: bool = True) -> ImageFiles:
    """Return all images below a folder, sorted by path. Links to folders are not followed, and hidden files are left out.

    Args: of_one_format: whether images of two formats, by their suffixes, are refused.
    Raises: UserError when there is no image, when there are two formats, or when a folder cannot be listed.
    """
    files: list[PurePosixPath] = []
    links = 0
    for parent, folders, names in os.walk(path, onerror=_raise_unreadable):
        folders.sort()
        links += sum(os.path.islink(os.path.join(parent, name)) for name in folders)
        files += [PurePosixPath(Path(parent, name).relative_to(path).as_posix()) for name in names]

    @contextmanager
    def opened() -> Iterator[Read]:
        yield lambda name: _content(path / name)

    try:
        return replace(_image_files(str(path), files, opened, of_one_format), links=links)
    except UserError as error:
        if links:
            raise UserError(f"{error}; {links} links to folders are not followed: name the folder that a link leads to") from None
        raise


def _raise_unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, largest=LARGEST_FILE)
    except NotRegular:
        raise UserError(f"{path}: is no file, but a pipe or a device; remove it") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def archive(path: Path, *, of_one_format: bool = True) -> ImageFiles:
    """Return all images of a zip archive, sorted by path.

    Args: of_one_format: whether images of two formats, by their suffixes, are refused.
    Raises: UserError when the archive is damaged, holds no image, a name twice, or images of two formats by their suffixes, when
    a name leads out of the archive, or when an image is encrypted or would unpack to far more bytes than an image can.
    """
    members = zip_archives.members(path)
    for name, member in members.items():
        if PurePosixPath(name).suffix.lower() in FORMATS:
            _check_member(f"{path}: {name}", member)

    @contextmanager
    def opened() -> Iterator[Read]:
        with zipfile.ZipFile(path) as file:

            def read(name: str) -> bytes:
                try:
                    return file.read(members[name])
                except zip_archives.DAMAGE as error:
                    raise UserError(f"{path}/{name}: damaged inside the archive: {error}") from error

            yield read

    return _image_files(str(path), [PurePosixPath(name) for name in members], opened, of_one_format)


def _check_member(where: str, member: zipfile.ZipInfo) -> None:
    if member.flag_bits & 1:
        raise UserError(f"{where} is encrypted; write the archive without a password")
    is_too_dense = member.file_size > SMALL and member.file_size > LARGEST_RATIO * max(member.compress_size, 1)
    if member.file_size > LARGEST_FILE or is_too_dense:
        raise UserError(
            f"{where} unpacks from {member.compress_size:,} to {member.file_size:,} bytes, as no image does "
            "(a decompression bomb?)"
        )


def _image_files(
    name: str, files: list[PurePosixPath], opened: Callable[[], AbstractContextManager[Read]], of_one_format: bool
) -> ImageFiles:
    """Return the images among files. Raises: UserError when there is none, or when their suffixes name two formats."""
    names = tuple(sorted(str(file) for file in files if file.suffix.lower() in FORMATS and not _is_hidden(file)))
    if not names:
        raise UserError(f"{name}: no image in it; suffixes of images: {', '.join(FORMATS)}")
    form = _format_of(names[0])
    for image in names:
        if of_one_format and _format_of(image) != form:
            raise UserError(f"{name}: {image} is a {_format_of(image)}, but {names[0]} is a {form}; {UNIFORM}")
    return ImageFiles(name, names, len(files) - len(names), opened)


def _format_of(name: str) -> str:
    return FORMATS[PurePosixPath(name).suffix.lower()]


def _is_hidden(path: PurePosixPath) -> bool:
    # Some systems put a file `._x.png` beside each x.png into their archives.
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
