"""The import itself: run after run of a source's images becomes a shard, and a killed import goes on at the next shard."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from harness.errors import Faults, UserError, one_line
from harness.images.importing.preparing import Preparation, mixture
from harness.images.importing.source import Source, SourceImage
from harness.images.sets import images_at_once
from harness.images.stores.index import INDEX, JOURNAL, StoreIndex
from harness.images.stores.reading import open_store
from harness.images.stores.writing import Journal, WrittenShard, finish, read_journal, write_journal, write_shard
from harness.process import stop
from harness.store.files import blocking_file
from harness.store.lease import Busy, lease

SHARD_BYTES = 2**28
"""Bytes of the images of a shard, at most; an import holds one shard in memory."""
AT_ONCE = 64
"""Images that are read before they are decoded in threads, at most."""
READ_AT_ONCE = 2**26
"""Bytes of image files after which no further one is read before these are decoded."""
AT_WORK = ".import"
"""The folder that says who writes a store now, while somebody does."""
_LOCKS = {AT_WORK, ".lock"}
"""The second is that of older versions, which is empty and stays."""
MOST_FAULTS = 1000
"""Damaged images that are named one by one; the rest are counted."""

Tell = Callable[[int, int], None]
"""A function that is told the number of images that are done, and of all."""
Content = bytes | NDArray[np.uint8] | UserError
"""Content of an image: its file, its pixels, or why it cannot be read."""


@dataclass(frozen=True)
class Request:
    """An import that is asked for.

    Args:
        source: the images. store: the folder to write.
        preparation: what happens to each image.
        skips_damaged: whether damaged images are left out; else they end the import, after all others are written.
        shard_bytes: see SHARD_BYTES.
        threads: threads that decode; None: as many as there are processors.
    """

    source: Source
    store: Path
    preparation: Preparation
    skips_damaged: bool = False
    shard_bytes: int = SHARD_BYTES
    threads: int | None = None

    @property
    def plan(self) -> dict[str, str]:
        """The values with which alone an import goes on: others give another store."""
        preparation = self.preparation
        return {
            "images": self.source.fingerprint,
            "resize": preparation.rule,
            "size": str(preparation.size),
            "channels": str(preparation.channels),
            "shard_bytes": str(self.shard_bytes),
        }


@dataclass(frozen=True)
class Imported:
    """A finished import.

    Args:
        was_there: whether the store was whole before; then its files were compared with their hashes.
        unapplied: number of images with each property that viewers would apply and the store leaves out.
    """

    index: StoreIndex
    was_there: bool
    unapplied: dict[str, int] = field(default_factory=dict)


def import_images(request: Request, tell: Tell | None = None) -> Imported:
    """Write a store, or go on with one whose import was stopped.

    Raises: UserError where the store holds something else, for images that do not go together, and Faults with a line for each
        damaged image; StorageError when the disk refuses; Interrupted or KeyboardInterrupt at a stop, which loses one shard.
    """
    request.preparation.check()
    _check_place(request.store)
    try:
        with _writing(request.store):
            if (request.store / INDEX).exists():
                return Imported(_existing(request), was_there=True)
            return _Import(request, tell or (lambda *_: None)).run()
    except Busy:
        raise UserError(f"{request.store}: another `harness import` writes this store now") from None


@contextmanager
def _writing(store: Path) -> Iterator[None]:
    """Hold the store. Raises: Busy; StorageError."""
    folder = store / AT_WORK
    try:
        with lease(folder / "leases" / "store", wait=False):
            yield
    finally:
        for empty in (folder / "leases", folder / "workers", folder):
            with suppress(OSError):  # another process has it now
                empty.rmdir()


def _check_place(store: Path) -> None:
    """Raises: UserError where something stands that is no store and no part of one."""
    if (file := blocking_file(store)) is not None:
        raise UserError(f"{store}: {file} is a file; name a folder, which need not be there yet")
    if (store / INDEX).exists() or (store / JOURNAL).exists() or not store.is_dir():
        return
    if any(file.name not in _LOCKS for file in store.iterdir()):
        raise UserError(f"{store}: is a folder with other files; name one that is empty, or not there yet")


def _existing(request: Request) -> StoreIndex:
    """Return the index of the store that is there. Raises: UserError unless it is whole, and made of the same images so."""
    store = open_store(request.store)
    if store.index.source.get("images") != request.source.fingerprint or any(
        store.index.source.get(key) != value for key, value in request.plan.items() if key != "shard_bytes"
    ):
        raise UserError(
            f"{request.store}: holds a store of other images, or made in another way; remove it, or name another folder"
        )
    if store.index.source.get("contents") != request.source.contents():
        raise UserError(
            f"{request.store}: images of {request.source.name} have changed since this store was made; remove it to make it anew"
        )
    store.verify()
    return store.index


class _Import:
    """One run of an import."""

    def __init__(self, request: Request, tell: Tell) -> None:
        self.request, self.source, self.folder, self.tell = request, request.source, request.store, tell
        self.unapplied: dict[str, int] = {}
        self._images: Iterator[SourceImage] = iter(())
        self._next = 0
        self._at_once = AT_ONCE

    def run(self) -> Imported:
        with ThreadPoolExecutor(self.request.threads or os.cpu_count() or 1) as pool:
            journal = self._journal()
            per_shard = max(1, self.request.shard_bytes // math.prod(journal.shape))
            self._at_once = images_at_once(AT_ONCE, journal.shape)
            for number, start in enumerate(range(0, len(self.source), per_shard)):
                if number < len(journal.written) and self._is_kept(journal.written[number]):
                    continue
                written = self._shard(f"{number:05}", start, per_shard, journal.shape, pool)
                runs = (*journal.written[:number], written, *journal.written[number + 1 :])
                journal = journal.model_copy(update={"written": runs})
                write_journal(self.folder, journal)
        return self._finished(journal)

    def _is_kept(self, written: WrittenShard) -> bool:
        """Whether a shard of an earlier call stays. One with damaged images is made again, since they may be mended by now."""
        files = [] if written.shard is None else [written.shard.file(kind) for kind in written.shard.sha256]
        return not written.damaged and all((self.folder / file).is_file() for file in files)

    def _journal(self) -> Journal:
        """Return the journal of the import that this call goes on with, or a new one.

        An earlier import that wrote no shard counts as none: it was refused, and its message asks for other settings.

        Raises: UserError where the folder holds an import of other images, or with other settings, that has not ended.
        """
        journal = read_journal(self.folder)
        if journal is not None and (journal.plan == self.request.plan or any(written.shard for written in journal.written)):
            if journal.plan != self.request.plan:
                raise UserError(
                    f"{self.folder}: holds an import that has not ended, of other images or with other settings; give those "
                    "settings to go on with it, or remove the folder"
                )
            for scratch in self.folder.glob(".*.npy.*"):  # of a process that was killed
                scratch.unlink()
            return journal
        journal = Journal(plan=self.request.plan, shape=self._shape())
        write_journal(self.folder, journal)
        return journal

    def _shape(self) -> tuple[int, int, int]:
        """Return the shape of the first image that is whole. Raises: Faults where none is."""
        faults = []
        for image in self.source.images(0):
            try:
                channels, height, width = self.request.preparation.apply(image.read(), image.name)[0].shape
            except UserError as error:
                faults.append(f"{self.source.name}: {error}")
                if len(faults) == AT_ONCE:
                    break
            else:
                return channels, height, width
        raise Faults([*faults, f"{self.source.name}: none of its first images can be read"])

    def _shard(self, name: str, start: int, count: int, shape: tuple[int, int, int], pool: ThreadPoolExecutor) -> WrittenShard:
        count = min(count, len(self.source) - start)
        pixels = np.empty((count, *shape), np.uint8)
        numbers: list[int] = []
        damaged: list[str] = []
        parts: dict[str, int] = {}
        for number, image, prepared in self._prepared(start, count, pool):
            if isinstance(prepared, UserError):
                damaged.append(one_line(str(prepared)))
                continue
            if prepared.shape != shape:
                where = f"{self.source.name}: {image.name}"
                raise mixture(where, prepared.shape, shape, self.request.preparation)
            pixels[len(numbers)] = prepared
            numbers.append(number)
            part = self.source.part_at(number)
            parts[part] = parts.get(part, 0) + 1
        labels = None if self.source.labels is None else self.source.labels[numbers]
        shard = write_shard(self.folder, name, pixels[: len(numbers)], labels) if numbers else None
        return WrittenShard(shard=shard, parts=parts, damaged=tuple(damaged))

    def _prepared(
        self, start: int, count: int, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[int, SourceImage, NDArray[np.uint8] | UserError]]:
        """Yield (number, image, its pixels or why it is damaged). Images are read in order, and decoded in threads."""
        for images, contents in self._read(start, count):
            results = list(pool.map(self._prepare, contents, [image.name for image in images]))
            for number, image, result in zip(range(start, start + len(images)), images, results, strict=True):
                if isinstance(result, UserError):
                    yield number, image, result
                    continue
                for name in result[1]:
                    self.unapplied[name] = self.unapplied.get(name, 0) + 1
                yield number, image, result[0]
            start += len(images)
            self.tell(start, len(self.source))
            stop.check()

    def _read(self, start: int, count: int) -> Iterator[tuple[list[SourceImage], list[Content]]]:
        """Yield images with what was read of them, as many at a time as fit the memory."""
        images: list[SourceImage] = []
        contents: list[Content] = []
        size = 0
        for image in self._in_order(start, count):
            images.append(image)
            contents.append(_content(image))
            size += len(content) if isinstance(content := contents[-1], bytes) else 0
            if len(images) == self._at_once or size > READ_AT_ONCE:
                yield images, contents
                images, contents, size = [], [], 0
        if images:
            yield images, contents

    def _in_order(self, start: int, count: int) -> Iterator[SourceImage]:
        """Yield images of the source. One iterator serves all shards: to open an archive of a million names takes seconds."""
        if start != self._next or start == 0:
            self._images = self.source.images(start)
        self._next = start + count
        return islice(self._images, count)

    def _prepare(self, content: Content, name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]] | UserError:
        if isinstance(content, UserError):
            return content
        try:
            return self.request.preparation.apply(content, name)
        except UserError as error:
            return error

    def _finished(self, journal: Journal) -> Imported:
        damaged = [line for written in journal.written for line in written.damaged]
        if damaged and not self.request.skips_damaged:
            more = [f"and {len(damaged) - MOST_FAULTS:,} more"] if len(damaged) > MOST_FAULTS else []
            advice = f"{len(damaged):,} damaged images: mend them and run the same command again, or add --skip-damaged"
            raise Faults([f"{self.source.name}/{line}" for line in damaged[:MOST_FAULTS]] + more + [advice])
        if not any(written.shard for written in journal.written):
            raise UserError(f"{self.source.name}: all images are damaged")
        return Imported(finish(self.folder, journal, self.source.classes, self._origin()), False, self.unapplied)

    def _origin(self) -> dict[str, str]:
        """Facts about the source for the index: no path of this machine is among them."""
        plan = {key: value for key, value in self.request.plan.items() if key != "shard_bytes"}
        facts = {"name": Path(self.source.name).name, "form": self.source.form, "pillow": PIL.__version__}
        return {**facts, **plan, "contents": self.source.contents()}


def _content(image: SourceImage) -> Content:
    try:
        return image.read()
    except UserError as error:
        return error
