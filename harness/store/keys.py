"""Keys: hashes of everything that a result depends on, and hashes of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CORE = 1
"""The version of the core in every key. Every change of the core that moves a number raises it; older records are then stale."""


# All digests share one encoder: making one costs as much as a small digest, and a board may have 100,000 cells.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def digest(**inputs: object) -> str:
    """Return the key of named inputs: 24 hex digits of the sha256 over their canonical JSON.

    The order of arguments, and of the keys of mappings inside, does not matter. Inputs are JSON values.
    """
    inputs["core"] = CORE
    return hashlib.sha256(_encode(inputs).encode()).hexdigest()[:24]


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as 64 hex digits. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
