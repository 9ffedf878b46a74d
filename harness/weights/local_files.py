"""Files that a user brings along, since nothing here downloads: where they are looked for, what is said when they are absent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError


def cache_folder() -> Path:
    """Where users put weights and data: $HARNESS_CACHE, or ~/.cache/finetune-harness."""
    return Path(os.environ.get("HARNESS_CACHE") or "~/.cache/finetune-harness").expanduser()


@dataclass(frozen=True)
class LocalFile:
    """A file, and how to come by it.

    Args:
        name: its file name.
        source: where to get it: an address or a command.
        sha256: of the file, or how it begins; None where nobody has pinned it.
        variable: environment variable that may hold its path.
        places: folders where other libraries keep it, after the cache; `~` and `$NAME` are replaced when it is looked for.
        folder: folder of the cache to put it in.
    """

    name: str
    source: str
    sha256: str | None = None
    variable: str = ""
    places: Sequence[str] = ()
    folder: str = "weights"

    def find(self, *, where: str) -> Path:
        """Its path. Raises: UserError, beginning with `where`, when it is in none of the places."""
        named = os.environ.get(self.variable) if self.variable else None
        if named:
            if not Path(named).is_file():
                raise UserError(f"{where}: ${self.variable} names {named}, which is no file")
            return Path(named)
        looked = [path / self.name for path in self.folders()]
        for path in looked:
            if path.is_file():
                return path
        raise UserError(
            f"{where}: {self.name} is not on this machine; looked for {', '.join(map(str, looked))}. "
            f"Get it from {self.source} (sha256 {self._expected}), put it into {cache_folder() / self.folder}"
            + (f", or set {self.variable} to its path" if self.variable else "")
        )

    def folders(self) -> list[Path]:
        """Where it is looked for, in this order."""
        others = [Path(os.path.expandvars(place)).expanduser() for place in self.places]
        return [cache_folder() / self.folder, *(path for path in others if "$" not in str(path))]

    def verified(self, *, where: str) -> tuple[Path, str]:
        """Its path and the sha256 of its bytes. Raises: UserError as `find`, and for other bytes than the pinned ones."""
        path = self.find(where=where)
        found = sha256_of(path)
        if self.sha256 and not found.startswith(self.sha256):
            raise UserError(f"{where}: {path} has sha256 {found}, not {self._expected}; get it again from {self.source}")
        return path, found

    @property
    def _expected(self) -> str:
        if not self.sha256:
            return "not pinned"
        return self.sha256 if len(self.sha256) == 64 else f"{self.sha256}…"


def sha256_of(path: Path) -> str:
    """Of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
