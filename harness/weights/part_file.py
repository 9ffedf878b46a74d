"""The part of a file that a broken download left, and of which version of the file it is: only that version can continue it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.store.files import appearing
from harness.store.lease import check_held
from harness.store.reading import read_bytes


@dataclass(frozen=True)
class Version:
    """The version of a file, as the server that sends it names it.

    Args:
        etag: the strong ETag; empty where the server gives none, or a weak one.
        modified: the time of the last change; empty where the server does not say it.
        length: bytes of the whole file; None where the server does not say it.
    """

    address: str
    etag: str = ""
    modified: str = ""
    length: int | None = None

    @classmethod
    def of_response(cls, address: str, headers: Mapping[str, str], *, first: int) -> Version:
        """Return the version of the file of which a response with these headers sends the bytes from `first` on."""
        etag, length = headers.get("ETag") or "", headers.get("Content-Length") or ""
        return cls(
            address,
            "" if etag.startswith("W/") else etag,
            headers.get("Last-Modified") or "",
            first + int(length) if length.isdecimal() else None,
        )

    @property
    def condition(self) -> str:
        """The value of If-Range that asks for a rest of this version alone; empty where nothing identifies the version."""
        return self.etag or self.modified


@dataclass(frozen=True)
class PartFile:
    """The bytes of a file that came so far, with a note beside them that says of which version they are."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def received(self) -> int:
        """Number of bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> Version | None:
        """Return the version that the bytes are of; None where nothing says it."""
        try:
            return Version(**json.loads(read_bytes(self._note)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def begin(self, version: Version) -> None:
        """Remove what is here, and note the version that comes now."""
        self.remove()
        with appearing(self._note) as scratch:
            scratch.write_text(json.dumps(vars(version)), encoding="utf-8")

    def become(self, target: Path) -> None:
        """Move the whole file to its place. Raises: OSError; Lost."""
        check_held()
        self.path.replace(target)
        self._note.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the bytes and the note, if they are there. Raises: OSError; Lost."""
        check_held()
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
