"""Where the weights of a board's base come from, as its key and its records say it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import UserError
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
    """

    path: Path
    part: str
    sha256: str | None
    published: WeightsFile | None = None

    @property
    def known_sha256(self) -> str | None:
        """What the file must have, or has if nobody says; None when it is not here either."""
        return self.sha256 or (cache.sha256(self.path) if self.path.exists() else None)

    def check(self) -> None:
        """Raises: UserError when the file is absent or has another hash."""
        if not self.path.exists():
            if self.published is not None:
                raise cache.absent(self.published, "not here")
            raise UserError(f"{self.path}: no file of weights is there; sha256: {self.sha256 or 'not pinned'}")
        if self.sha256 is not None and (found := cache.sha256(self.path)) != self.sha256:
            raise UserError(f"{self.path}: has sha256 {found}, and the board or its preset says {self.sha256}")


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
