"""Hashes that were found at a first download, of files of which nobody has published a hash. Later runs compare with them.

Each file has one note, in `hashes/` beside the cache's `weights/`. A file that changes at its address is then noticed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.store.files import storage, write_text
from harness.weights import cache


@dataclass(frozen=True)
class FoundHash:
    """The hash that a first download of a file gave.

    Args:
        when: the day, in the form 2026-01-31.
    """

    address: str
    sha256: str
    bytes: int
    when: str


def note(file: WeightsFile) -> Path:
    """Return the place of the note of a file, whether it is there or not."""
    return cache.folder() / "hashes" / f"{file.name}.json"


def found(file: WeightsFile) -> FoundHash | None:
    """Return what a first download of this file from this address gave; None where no note says it.

    Raises: UserError for a note that is damaged.
    """
    path = note(file)
    try:
        hash_found = FoundHash(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it, and `harness prefetch` writes it anew") from None
    return hash_found if hash_found.address == file.address else None


def keep(file: WeightsFile, path: Path) -> FoundHash | None:
    """Write down the hash of a file that is at `path`, unless one is published or noted. Returns: what is noted.

    Raises: StorageError.
    """
    if file.sha256 is not None:
        return None
    if (known := found(file)) is not None:
        return known
    today = datetime.now(UTC).date().isoformat()
    hash_found = FoundHash(file.address, cache.sha256(path), path.stat().st_size, today)
    place = note(file)
    with storage(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_text(place, json.dumps(vars(hash_found), indent=1) + "\n")
    return hash_found


def check(file: WeightsFile, path: Path) -> None:
    """Raises: UserError where a file has another hash than the one that is published, or that its first download gave."""
    if file.sha256 is not None:
        if (actual := cache.sha256(path)) != file.sha256:
            raise cache.absent(file, f"{path} has sha256 {actual}: remove it, it is another file or damaged")
        return
    if (known := found(file)) is not None and (actual := cache.sha256(path)) != known.sha256:
        raise UserError(
            f"{path}: has sha256 {actual}, and the first download, on {known.when}, gave {known.sha256}. Remove it and run "
            f"`harness prefetch BOARD`, or, to go on with another file than the first, delete {note(file)}"
        )
