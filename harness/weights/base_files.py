"""Where the weights of a board's base come from, as its key and its records say it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import UserError, nearest
from harness.interfaces import DataSpec
from harness.presets import WeightsFile
from harness.weights import cache


@dataclass(frozen=True)
class BaseFile:
    """A file of a base.

    Args:
        path: where it stands, or is to stand.
        part: as in `WeightsFile`.
        sha256: what the board or the preset says that it is; None where nobody says.
        published: the preset's file, where it is one.
        where: file and line of the board that names it; messages begin with it.
    """

    path: Path
    part: str
    sha256: str | None
    published: WeightsFile | None = None
    where: str = ""

    @property
    def known_sha256(self) -> str | None:
        """What the file must have, or has if nobody says; None when it is not here either."""
        return self.sha256 or (cache.sha256(self.path) if self.path.exists() else None)

    def check(self) -> None:
        """Raises: UserError when the file is absent or has another hash."""
        self.check_there()
        if self.sha256 is not None and (found := cache.sha256(self.path)) != self.sha256:
            raise UserError(f"{self._told}{self.path}: has sha256 {found}, and the board or its preset says {self.sha256}")

    def check_there(self) -> None:
        """Raises: UserError when the file is absent."""
        if self.path.exists():
            return
        if self.published is not None:
            raise UserError(f"{self._told}{cache.absent(self.published, 'not here')}")
        pinned = f", of sha256 {self.sha256}," if self.sha256 else ""
        raise UserError(
            f"{self._told}no file of weights is at {self.path}; {self._near()}put it{pinned} there, or give its path, "
            "from the board's folder (`harness list presets` shows networks that are published)"
        )

    @property
    def _told(self) -> str:
        return f"{self.where}: " if self.where else ""

    def _near(self) -> str:
        folder = self.path.parent
        if not folder.is_dir():
            return f"the folder {folder} is absent; "
        return nearest(self.path.name, [one.name for one in folder.iterdir()])


@dataclass(frozen=True)
class BaseWeights:
    """The files of a base.

    Args:
        preset: name of the preset; empty where there is none.
        spec: what the preset's network generates; None where there is no preset.
    """

    files: tuple[BaseFile, ...]
    preset: str = ""
    spec: DataSpec | None = None

    @cached_property
    def identity(self) -> list[dict[str, str | None]]:
        """What keys and records hold: hashes, and no paths."""
        return [{"part": file.part, "sha256": file.known_sha256} for file in self.files]

    def spec_on(self, data: DataSpec) -> DataSpec:
        """What the network generates, on a dataset: a preset without labels stays so on labelled data, which it ignores."""
        if self.spec is not None and self.spec.classes == 0:
            return DataSpec(data.shape, 0, data.preview)
        return data
