"""Keys: hashes of everything that a result depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CORE = 1
"""Raise it with every change of the core that moves a number; all records of older cores become stale."""


# One encoder for all: making one costs as much as a small digest, and a board may have 100,000 cells.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def digest(**inputs: object) -> str:
    """24 hex digits over canonical JSON: the order of keys and of arguments does not matter."""
    inputs["core"] = CORE
    return hashlib.sha256(_encode(inputs).encode()).hexdigest()[:24]


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
