"""Writing of a store shard by shard. A journal says which shards are whole, so that a killed import goes on at the next one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from harness.config import Config
from harness.images.stores.index import INDEX, JOURNAL, Fingerprint, Part, Shard, StoreIndex, digests_of
from harness.store.files import appearing, write_text
from harness.store.keys import file_sha256
from harness.store.reading import read_bytes
from harness.store.seal import seal_fault, sealed


class WrittenShard(Config):
    """The result of an import for one run of its source's images."""

    shard: Shard | None = Field(description="the files; None where all images of the run are damaged")
    parts: dict[str, int] = Field(description="number of images that were written, by part")
    damaged: tuple[str, ...] = Field((), description="one line for each damaged image of the run")


class Journal(Config):
    """The state of an import that has not ended."""

    plan: dict[str, str] = Field(description="what the import does: source, list of its images, settings")
    shape: tuple[int, int, int] = Field(description="(channels, height, width) of each image")
    written: tuple[WrittenShard, ...] = Field((), description="the runs so far")


def read_journal(folder: Path) -> Journal | None:
    """Return the journal of an import into a folder; None where there is none, or where it is damaged and useless."""
    try:
        content = read_bytes(folder / JOURNAL)
        if seal_fault(content, "journal") is not None:
            return None
        fields = json.loads(content)
        fields.pop("sha256")
        return Journal.model_validate(fields)
    except (OSError, ValueError, RecursionError, ValidationError):
        return None


def write_journal(folder: Path, journal: Journal) -> None:
    """Write the journal, whole or not at all. Raises: StorageError."""
    write_text(folder / JOURNAL, sealed(journal.model_dump(mode="json")))


def write_shard(folder: Path, name: str, images: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> Shard:
    """Write the files of a shard. images: (n, C, H, W) with n >= 1; labels: (n,). Raises: StorageError."""
    arrays = {"images": images, "digests": digests_of(images)} | ({} if labels is None else {"labels": labels})
    shard = Shard(name=name, images=len(images), sha256={})
    hashes = {kind: _write(folder / shard.file(kind), array) for kind, array in arrays.items()}
    return shard.model_copy(update={"sha256": hashes})


def _write(path: Path, array: NDArray[np.generic]) -> str:
    with appearing(path) as scratch:
        with scratch.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        return file_sha256(scratch)


def finish(folder: Path, journal: Journal, classes: Sequence[str], source: Mapping[str, str]) -> StoreIndex:
    """Write the index of a store all of whose shards are written, and remove the journal.

    Returns: the index. Raises: StorageError; OSError when a shard was removed meanwhile.
    """
    shards = [written.shard for written in journal.written if written.shard is not None]
    counts: dict[str, int] = {}
    for written in journal.written:
        for part, count in written.parts.items():
            counts[part] = counts.get(part, 0) + count
    index = StoreIndex(
        schema=1,
        shape=journal.shape,
        classes=tuple(classes),
        parts=tuple(Part(name=name, images=count) for name, count in counts.items() if count),
        shards=tuple(shards),
        fingerprint=_fingerprint(folder, shards, journal.shape),
        source=dict(source),
        skipped=tuple(line for written in journal.written for line in written.damaged),
    )
    write_text(folder / INDEX, sealed(index.content()))
    (folder / JOURNAL).unlink(missing_ok=True)
    return index


def _fingerprint(folder: Path, shards: Sequence[Shard], shape: tuple[int, ...]) -> str:
    fingerprint = Fingerprint(shape)
    for shard in shards:
        digests = np.load(folder / shard.file("digests"), allow_pickle=False)
        has_labels = "labels" in shard.sha256
        fingerprint.add(digests, np.load(folder / shard.file("labels"), allow_pickle=False) if has_labels else None)
    return fingerprint.hexdigest()
