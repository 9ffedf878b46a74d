"""The published sets of images: what their stores must hold, and how to get and import them. Importing it costs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from harness.config import Config
from harness.errors import UserError
from harness.images.stores.index import INDEX, StoreIndex, read_index
from harness.interfaces import DataSpec
from harness.weights import cache
from harness_stores import ARCHIVES, PublishedConfig


@dataclass(frozen=True)
class Published:
    """A published set of images, as papers use it.

    Args:
        shape, classes: of its images.
        parts: number of images of each part.
        evaluation: the part that cells are evaluated with.
        source: the name of the archive or folder in the folder for data, one of ARCHIVES.
        size: `--size` of the import; None: images stay as they are.
        resize: `--resize` of the import.
        channels: `--channels` of the import; None: as the images are.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    parts: Mapping[str, int] = field(hash=False)
    evaluation: str
    source: str
    size: int | None = None
    resize: str = "none"
    channels: int | None = None

    @property
    def spec(self) -> DataSpec:
        """Shape and number of classes of the images."""
        return DataSpec(self.shape, self.classes, "images")

    def folder(self, config: PublishedConfig) -> Path:
        """Return the folder of the store: the one of the settings, else the first that is there, else where it should be."""
        if config.store is not None:
            return config.store.path
        places = [folder / self.name for folder in cache.data_folders()]
        return next((place for place in places if (place / INDEX).exists()), places[0])

    def command(self, folder: Path) -> str:
        """Return the command that makes the store."""
        options = "" if self.size is None else f" --size {self.size} --resize {self.resize}"
        channels = "" if self.channels is None else f" --channels {self.channels}"
        return f"harness import {self.source} {folder}{options}{channels}"

    def index(self, config: PublishedConfig) -> StoreIndex:
        """Return the index of the store. Raises: UserError where it is absent, or does not hold the published images."""
        folder = self.folder(config)
        if not (folder / INDEX).exists():
            raise self._absent(folder)
        index = read_index(folder)
        if fault := self._fault(index):
            raise UserError(f"dataset {self.name}: {folder} {fault}; make it by: {self.command(folder)}")
        return index

    def _absent(self, folder: Path) -> UserError:
        data = cache.data_folders()[0]
        return UserError(
            f"dataset {self.name}: its store is not in {folder}. Get {ARCHIVES[self.source]}, put it into {data}, and run: "
            f"{self.command(folder)}"
        )

    def _fault(self, index: StoreIndex) -> str | None:
        """Return what a store holds that the published set does not, or lacks of it."""
        found = {part.name: part.images for part in index.parts}
        if index.shape != self.shape or len(index.classes) != self.classes:
            return f"holds images of {index.shape} in {len(index.classes)} classes, and not of {self.shape} in {self.classes}"
        if index.source.get("resize") != self.resize:
            return f"was made by --resize {index.source.get('resize')}, and papers use {self.resize}"
        missing = sum(self.parts.values()) - sum(found.values())
        is_whole = found.keys() == self.parts.keys() and all(found[name] <= n for name, n in self.parts.items())
        if not is_whole or missing != len(index.skipped):
            numbers = ", ".join(f"{name} {n:,}" for name, n in found.items())
            published = ", ".join(f"{name} {n:,}" for name, n in self.parts.items())
            return f"holds {numbers}, and the published images are {published}"
        return None


def _imagenet(size: int) -> Published:
    return Published(
        f"imagenet{size}",
        (3, size, size),
        1000,
        {"train": 1_281_167, "validation": 50_000},
        "validation",
        "imagenet",
        size,
        "center-crop-dhariwal",
        3,  # some of its images are grey or in CMYK
    )


PUBLISHED = {
    entry.name: entry
    for entry in (
        Published(
            "cifar10",
            (3, 32, 32),
            10,
            {"train": 50_000, "test": 10_000},
            "test",
            "cifar-10-python.tar.gz",
        ),
        Published(
            "celeba64",
            (3, 64, 64),
            0,
            {"train": 162_770, "validation": 19_867, "test": 19_962},
            "test",
            "celeba",
            64,
            "celeba-ddim",
        ),
        *map(_imagenet, (64, 256, 512)),
    )
}


def published(config: Config) -> Published:
    """Return the set whose settings these are."""
    return PUBLISHED[cast(PublishedConfig, config).published]


def spec(config: Config) -> DataSpec:
    """Return shape and number of classes of the images."""
    return published(config).spec


def check(config: Config) -> None:
    """Check that the store is there. Raises: UserError when it is not, or holds something else."""
    settings = cast(PublishedConfig, config)
    if not settings.made_up:
        published(settings).index(settings)
