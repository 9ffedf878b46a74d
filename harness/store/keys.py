"""Keys: hashes of everything that a result depends on, and hashes of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.store.reading import open_regular

CORE = 1
"""The version of the core, part of every key. Raise it when a change of the core changes results: older records become stale."""


# All digests share one encoder: making an encoder takes as long as a small digest, and a board may have 100,000 cells.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def digest(**inputs: object) -> str:
    """Return the key of named inputs: the first 24 hex digits of the sha256 over their canonical JSON, with CORE added.

    The inputs are JSON values. The order of the arguments, and of the keys in mappings, does not matter.
    """
    inputs["core"] = CORE
    return hashlib.sha256(_encode(inputs).encode()).hexdigest()[:24]


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hex digits. Raises: OSError, also for a pipe or a device."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
