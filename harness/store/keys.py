"""Keys: hashes of everything that a result depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CORE = 1
"""Raise it with every change of the core that moves a number; all records of older cores become stale."""


def digest(**inputs: object) -> str:
    """24 hex digits over canonical JSON: the order of keys and of arguments does not matter."""
    text = json.dumps({"core": CORE, **inputs}, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
