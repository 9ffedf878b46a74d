"""Files that a user must bring: the folders that are searched for them, and the message when one is missing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.paths import expanded
from harness.presets import WeightsFile
from harness.store.keys import file_sha256
from harness.weights import cache


@dataclass(frozen=True)
class LocalFile:
    """A file that a user brings or `harness prefetch` fetches, and where to get it; a run never downloads it.

    Args:
        name: its file name.
        source: where to get it: an address or a command.
        sha256: hash of the file, or the first digits of the hash; None where nobody has pinned it.
        variable: environment variable that may hold the file's path.
        places: folders where other libraries keep the file, searched after the cache; `~` and `$NAME` are expanded at the search.
        folder: subfolder of the cache folder for the file.
    """

    name: str
    source: str
    sha256: str | None = None
    variable: str = ""
    places: Sequence[str] = ()
    folder: str = "weights"

    def find(self, *, where: str) -> Path:
        """Return the file's path: the one in `variable` if that is set, else the first hit in `folders()`.

        Raises: UserError, beginning with `where`, when there is no such file.
        """
        named = os.environ.get(self.variable) if self.variable else None
        if named:
            if not Path(named).is_file():
                raise UserError(f"{where}: ${self.variable} names {named}, which is no file")
            return Path(named)
        candidates = [folder / self.name for folder in self.folders()]
        for path in candidates:
            if path.is_file():
                return path
        raise UserError(
            f"{where}: {self.name} is not on this machine; looked for {', '.join(map(str, candidates))}. "
            f"Get it from {self.source} (sha256 {self._expected}), put it into {self._cached}"
            + (f", or set {self.variable} to its path" if self.variable else "")
        )

    def to_fetch(self, sha256: str | None = None) -> list[WeightsFile]:
        """Return the file as one that `harness prefetch` fetches; nothing where the user keeps it outside of the cache.

        Args:
            sha256: the whole hash, where `self.sha256` has its first digits alone.
        """
        elsewhere = [folder / self.name for folder in self.folders() if folder != self._cached]
        if (self.variable and os.environ.get(self.variable)) or any(path.is_file() for path in elsewhere):
            return []
        return [WeightsFile(self.name, self.source, sha256 or self.sha256)]

    def folders(self) -> list[Path]:
        """Return the folders to search, the cache first. A place that names an unset environment variable is left out."""
        others = [expanded(os.path.expandvars(place)) for place in self.places]
        return [self._cached, *(path for path in others if "$" not in str(path))]

    def verified(self, *, where: str) -> tuple[Path, str]:
        """Return the file's path and its sha256.

        Raises: UserError like `find`, when the file cannot be read, and when the hash is not the pinned one.
        """
        path = self.find(where=where)
        try:
            actual = file_sha256(path)
        except OSError as error:
            raise UserError(f"{where}: {path} cannot be read: {error.strerror}") from None
        return path, self._checked(path, actual, where)

    def _checked(self, path: Path, actual: str, where: str) -> str:
        if self.sha256 and not actual.startswith(self.sha256):
            raise UserError(f"{where}: {path} has sha256 {actual}, not {self._expected}; get it again from {self.source}")
        return actual

    def verified_content(self, *, where: str) -> tuple[bytes, str]:
        """Return the file's bytes and their sha256: the same bytes are hashed and returned, whoever may replace the file.

        A file that can run code is read like this, and needs a whole hash. Raises: UserError like `verified`, and when the file
        cannot be read; ValueError when no whole hash is pinned.
        """
        if self.sha256 is None or len(self.sha256) != 64:
            raise ValueError(f"{self.name} can run code, so its whole sha256 must be pinned")
        path = self.find(where=where)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{where}: {path} cannot be read: {error.strerror}") from None
        return content, self._checked(path, hashlib.sha256(content).hexdigest(), where)

    @property
    def _cached(self) -> Path:
        return cache.folder() / self.folder

    @property
    def _expected(self) -> str:
        if not self.sha256:
            return "not pinned"
        return self.sha256 if len(self.sha256) == 64 else f"{self.sha256}…"
