"""Folders and zip archives of images as sets. Archives are read where they are; nothing is ever extracted."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from harness.errors import UserError
from harness.images.decode import FORMATS, Decoded, decode
from harness.images.sets import ImageSet

LARGEST_FILE = 256 * 2**20
"""Bytes of one image inside an archive, unpacked."""
LARGEST_RATIO = 200
"""Unpacked over packed bytes: what images never reach, being packed already, and decompression bombs exceed. Small files may."""
SMALL = 2**20
SAME = "a set has images of one size and one format"

Read = Callable[[str], bytes]


@dataclass(frozen=True)
class ImageFiles:
    """Images by name, in a fixed order.

    Args:
        name: what messages call the whole.
        names: of the images, sorted.
        ignored: number of other files beside them.
        links: number of links to folders, which are not followed.
        opened: gives a function from a name to the file's bytes, as long as it is open.
    """

    name: str
    names: tuple[str, ...]
    ignored: int
    opened: Callable[[], AbstractContextManager[Read]]
    links: int = 0

    def as_set(self) -> ImageSet:
        """The images as a set; its size and format are those of the first. Raises: UserError when that is damaged."""
        with self.opened() as read:
            first = self._decoded(self.names[0], read)

        def batches(size: int) -> Iterator[Tensor]:
            with self.opened() as read:
                for start in range(0, len(self.names), size):
                    chunk = [self._like(first, name, read) for name in self.names[start : start + size]]
                    yield torch.from_numpy(np.stack([one.pixels for one in chunk]))

        return ImageSet(self.name, len(self.names), first.pixels.shape, batches)

    @property
    def form(self) -> str:
        """The images' format, by the first name."""
        return FORMATS[PurePosixPath(self.names[0]).suffix.lower()]

    def _decoded(self, name: str, read: Read) -> Decoded:
        return decode(read(name), where=f"{self.name}/{name}")

    def _like(self, first: Decoded, name: str, read: Read) -> Decoded:
        """Raises: UserError for an image of another size or format than the first."""
        one = self._decoded(name, read)
        if (one.pixels.shape, one.form) != (first.pixels.shape, first.form):
            raise UserError(f"{self.name}: {name} is {described(one)}, but {self.names[0]} is {described(first)}; {SAME}")
        return one


def described(image: Decoded) -> str:
    """`a grey PNG of 28x28`."""
    channels, height, width = image.pixels.shape
    return f"a {'grey' if channels == 1 else 'colour'} {image.form} of {width}x{height}"


def folder(path: Path) -> ImageFiles:
    """All images below a folder, sorted by their paths; links to folders are not followed, hidden files are no images.

    Raises: UserError when there is none, or two formats by their names.
    """
    found, links = [], []
    for at, folders, files in os.walk(path, onerror=_raise):
        folders.sort()
        links += [name for name in folders if os.path.islink(os.path.join(at, name))]
        found += [PurePosixPath(Path(at, file).relative_to(path).as_posix()) for file in files]

    @contextmanager
    def opened() -> Iterator[Read]:
        yield lambda name: _bytes(path / name)

    return replace(_of(str(path), found, opened), links=len(links))


def _raise(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: is no file, but a pipe or a device; remove it")  # to read it could take for ever
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def archive(path: Path) -> ImageFiles:
    """All images of a zip archive, sorted by their paths.

    Raises: UserError for a damaged archive, names that lead out of it, an image that unpacks to too much, encryption, no image.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    try:
        with zipfile.ZipFile(path) as opened_once:
            for member in opened_once.infolist():
                _check_member(path, member)
                if member.filename in members:
                    raise UserError(f"{path}: holds {member.filename} twice; write the archive again, each image once")
                if not member.is_dir():
                    members[member.filename] = member
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path}: cannot be read as a zip archive: {error}") from error

    @contextmanager
    def opened() -> Iterator[Read]:
        with zipfile.ZipFile(path) as file:

            def read(name: str) -> bytes:
                try:
                    return file.read(members[name])
                except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
                    raise UserError(f"{path}/{name}: damaged inside the archive: {error}") from error

            yield read

    return _of(str(path), [PurePosixPath(name) for name in members], opened)


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or (name.parts and ":" in name.parts[0]):
        raise UserError(f"{path}: {member.filename!r} leads out of the archive; it is not read at all")
    if name.suffix.lower() not in FORMATS:
        return
    if member.flag_bits & 1:
        raise UserError(f"{path}: {member.filename} is encrypted; write the archive without a password")
    too_dense = member.file_size > SMALL and member.file_size > LARGEST_RATIO * max(member.compress_size, 1)
    if member.file_size > LARGEST_FILE or too_dense:
        raise UserError(
            f"{path}: {member.filename} unpacks from {member.compress_size:,} to {member.file_size:,} bytes, as no image does "
            "(a decompression bomb?)"
        )


def _of(name: str, found: list[PurePosixPath], opened: Callable[[], AbstractContextManager[Read]]) -> ImageFiles:
    images = [one for one in found if one.suffix.lower() in FORMATS and not _is_hidden(one)]
    if not images:
        raise UserError(f"{name}: no image in it; suffixes of images: {', '.join(FORMATS)}")
    names = tuple(sorted(str(one) for one in images))
    first = FORMATS[PurePosixPath(names[0]).suffix.lower()]
    for one in names:
        form = FORMATS[PurePosixPath(one).suffix.lower()]
        if form != first:
            raise UserError(f"{name}: {one} is a {form}, but {names[0]} is a {first}; {SAME}")
    return ImageFiles(name, names, len(found) - len(images), opened)


def _is_hidden(path: PurePosixPath) -> bool:
    # Some systems put a file `._x.png` beside each x.png into their archives.
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
