"""The files with the weights of a board's base, and what keys and records hold of them. Importing this module costs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import UserError, nearest
from harness.interfaces import DataSpec
from harness.presets import WeightsFile
from harness.weights import cache, found_hashes


@dataclass(frozen=True)
class BaseFile:
    """A file with weights of a base.

    Args:
        path: the path of the file, which may be absent.
        part: name of the part that the file holds, as in `WeightsFile`.
        sha256: the pinned hash, from the board or the preset; None where nobody pinned one.
        published: the preset's file; None for a file that the board names itself.
        where: file and line of the board that names this file, with which messages begin.
        table: name of the table in the file that the board chooses; empty leaves the choice to the names in the file.
    """

    path: Path
    part: str
    sha256: str | None
    published: WeightsFile | None = None
    where: str = ""
    table: str = ""

    @property
    def identity(self) -> dict[str, str | None]:
        """The part and the hash, for keys and records, and the table where the board chooses one. The path is no part of it."""
        chosen = {"table": self.table} if self.table else {}  # keys of boards that choose none hold no table
        return {"part": self.part, "sha256": self.known_sha256, **chosen}

    @property
    def known_sha256(self) -> str | None:
        """The pinned hash, or else the hash of the file; None when no hash is pinned and the file is absent."""
        return self.sha256 or (cache.sha256(self.path) if self.path.exists() else None)

    def check(self) -> None:
        """Raises: UserError when the file is absent, or has another hash than the pinned one, or than its first download had."""
        self.check_there()
        if self.sha256 is not None and (actual := cache.sha256(self.path)) != self.sha256:
            raise UserError(f"{self._prefix}{self.path}: has sha256 {actual}, and the board or its preset says {self.sha256}")
        if self.sha256 is None and self.published is not None:
            found_hashes.check(self.published, self.path)

    def check_there(self) -> None:
        """Raises: UserError when the file is absent."""
        if self.path.exists():
            return
        if self.published is not None:
            raise UserError(f"{self._prefix}{cache.absent(self.published, 'not here')}")
        pinned = f", of sha256 {self.sha256}," if self.sha256 else ""
        raise UserError(
            f"{self._prefix}no file of weights is at {self.path}; {self._hint()}put it{pinned} there, or give its path, "
            "from the board's folder (`harness list presets` shows networks that are published)"
        )

    @property
    def _prefix(self) -> str:
        return f"{self.where}: " if self.where else ""

    def check_is(self, sha256: str | None) -> None:
        """Check that a file which is there is the one that keys were made of, when the board was read.

        Args:
            sha256: the hash that the file had then; None where it was absent.
        Raises: UserError for another file.
        """
        if (actual := cache.sha256(self.path)) != sha256:
            then = "was absent then" if sha256 is None else f"had sha256 {sha256} then"
            raise UserError(
                f"{self._prefix}{self.path}: has changed since the board was read: it {then}, and has {actual} now; run the "
                "board again, for its results to count as those of the new file, or put the earlier file back"
            )

    def _hint(self) -> str:
        folder = self.path.parent
        if not folder.is_dir():
            return f"the folder {folder} is absent; "
        return nearest(self.path.name, [path.name for path in folder.iterdir()])


@dataclass(frozen=True)
class BaseWeights:
    """The files with the weights of a base.

    Args:
        preset: name of the preset; empty where there is none.
        spec: the data that the preset's network generates; None where there is no preset.
        note: what a user must know of the preset's weights; empty where the board replaces the file of the network.
        is_stand_in: whether random weights stand in for the files, in a smoke run.
    """

    files: tuple[BaseFile, ...]
    preset: str = ""
    spec: DataSpec | None = None
    note: str = ""
    is_stand_in: bool = False

    @cached_property
    def identity(self) -> list[dict[str, str | None]]:
        """The identity of each file, for keys and records. Keys and records never hold paths."""
        if self.is_stand_in:
            return [{"part": "", "sha256": None, "stand_in": "random weights"}]
        return [file.identity for file in self.files]

    def check(self) -> None:
        """Raises: UserError when a file is absent, has another hash than the pinned one, or is not the one of `identity`."""
        for file, known in zip(self.files, self.identity, strict=True):
            file.check()
            file.check_is(known["sha256"])

    def data_fault(self, data: DataSpec, dataset: str) -> str | None:
        """Return why the preset's network cannot be used on a dataset that holds `data`; None where it can.

        Args:
            dataset: name of the dataset, for the message.
        """
        if self.spec is None:
            return None
        if data.shape != self.spec.shape:
            return f"{self.preset} generates data of shape {self.spec.shape}, and the dataset {dataset} has {data.shape}"
        if self.spec.classes not in (0, data.classes):
            return f"{self.preset} has {self.spec.classes} classes, and the dataset {dataset} has {data.classes}"
        return None

    def spec_on(self, data: DataSpec) -> DataSpec:
        """Return the spec of the examples that the network generates, on a board whose dataset has the spec `data`.

        The network of a preset without labels ignores the labels of a labelled dataset, and generates without labels.
        """
        if self.spec is not None and self.spec.classes == 0:
            return DataSpec(data.shape, 0, data.preview)
        return data
