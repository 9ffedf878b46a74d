"""The index of a store: what its images are, which files hold them, and the hash of each file. Importing it costs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from harness.config import Config
from harness.errors import UserError
from harness.store.reading import NotRegular, read_bytes
from harness.store.seal import seal_fault

INDEX = "index.json"
JOURNAL = "import.json"
"""The file of an import that has not ended. A store that is whole has none."""
SCHEMA = 1
"""Version of the format."""
AGAIN = "remove the store's folder, and import it again"
_HASH = "^[0-9a-f]{64}$"


class Shard(Config):
    """A run of images of a store, in files of its own."""

    name: str = Field(pattern=r"^[0-9]{5,}$", description="the number in the names of its files")
    images: int = Field(ge=1, description="number of images")
    sha256: dict[str, str] = Field(description="hash of each file, by what it holds: images, digests, labels")

    def file(self, kind: str) -> str:
        """Return the name of the file that holds `images`, `digests` or `labels`."""
        return f"{kind}-{self.name}.npy"


class Part(Config):
    """A part of a store, such as its training images. The parts follow each other in the order of the images."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", description="train, validation, test, or all where there is one part")
    images: int = Field(ge=1, description="number of images")


class StoreIndex(Config):
    """The content of `index.json`, beside the checksum."""

    schema_version: int = Field(SCHEMA, alias="schema", description="version of the format")
    shape: tuple[int, int, int] = Field(description="(channels, height, width) of each image")
    classes: tuple[str, ...] = Field((), description="names of the classes, in the order of their labels; none: no labels")
    parts: tuple[Part, ...] = Field(min_length=1, description="the parts, in the order of the images")
    shards: tuple[Shard, ...] = Field(min_length=1, description="the shards, in the order of the images")
    fingerprint: str = Field(pattern=_HASH, description="hash of shape, pixels and labels, whatever the source and the shards")
    source: dict[str, str] = Field({}, description="what the images were made from, and how")
    skipped: tuple[str, ...] = Field((), description="names of damaged images that were left out")

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(part.images for part in self.parts)

    def content(self) -> Mapping[str, object]:
        """Return the index as JSON values."""
        return self.model_dump(mode="json", by_alias=True)


def read_index(folder: Path) -> StoreIndex:
    """Return the index of the store in a folder. No shard is read.

    Raises: UserError, which begins with the folder, where there is no store, an import that has not ended, a damaged index, or
        the store of a newer harness.
    """
    try:
        content = read_bytes(folder / INDEX)
    except FileNotFoundError:
        raise UserError(f"{folder}: {_absence(folder)}") from None
    except (NotRegular, OSError) as error:
        raise UserError(f"{folder}: {INDEX} cannot be read: {error.strerror}") from None
    return _parsed(content, folder)


def _absence(folder: Path) -> str:
    if (folder / JOURNAL).exists():
        return "the import of this store has not ended; run the same `harness import` again, which goes on where it stopped"
    command = f"harness import SOURCE {quote(str(folder))}"
    if folder.is_dir():
        return f"no store, for it has no {INDEX}; `{command}` writes one into an empty folder"
    return f"there is no such store; `{command}` makes one"


def _parsed(content: bytes, folder: Path) -> StoreIndex:
    where = f"{folder / INDEX}"
    try:
        fields = json.loads(content)
        schema = fields.get("schema")
    except (ValueError, RecursionError, AttributeError):
        raise UserError(f"{where}: damaged: it is no JSON object; {AGAIN}") from None
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{where}: written by a newer harness (schema {schema}, known: {SCHEMA}); upgrade")
    if (fault := seal_fault(content, "index")) is not None:
        raise UserError(f"{where}: damaged: {fault}; {AGAIN}")
    fields.pop("sha256")
    try:
        index = StoreIndex.model_validate(fields)
    except ValidationError as error:
        raise UserError(f"{where}: damaged: {error.errors()[0]['msg']}; {AGAIN}") from None
    if index.images != sum(shard.images for shard in index.shards):
        raise UserError(f"{where}: damaged: its parts and its shards have other numbers of images; {AGAIN}")
    return index


class Fingerprint:
    """The fingerprint of a store, made shard by shard: sha256 over the shape, each image's sha256, and then the labels.

    It depends neither on the sizes of the shards nor on the form of the source.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._pixels = hashlib.sha256(f"{tuple(shape)}".encode())
        self._labels = hashlib.sha256()

    def add(self, digests: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> None:
        """Add the images of a shard. digests: (n, 32), the sha256 of each image's bytes (C, H, W)."""
        self._pixels.update(np.ascontiguousarray(digests).data)
        if labels is not None:
            self._labels.update(np.ascontiguousarray(labels, "<i8").data)

    def hexdigest(self) -> str:
        """Return the fingerprint, 64 hex digits."""
        whole = self._pixels.copy()
        whole.update(self._labels.digest())
        return whole.hexdigest()


def digests_of(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the sha256 of the bytes of each image, (n, 32) uint8. images: (n, C, H, W) uint8."""
    return _stacked(hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images)


def _stacked(digests: Iterable[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
