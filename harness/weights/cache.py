"""The folder of published files: where they are, how they come there, and what to say when they do not."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from harness.errors import UserError
from harness.presets import WeightsFile
from harness.store.keys import file_sha256


def folder() -> Path:
    """$HARNESS_CACHE, or finetune-harness under the user's cache folder; it need not be there."""
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finetune-harness"


def path(file: WeightsFile) -> Path:
    """Where a published file stands, or is to be put."""
    return folder() / "weights" / file.name


def is_offline() -> bool:
    """Whether HARNESS_OFFLINE forbids downloads."""
    return os.environ.get("HARNESS_OFFLINE", "").lower() not in ("", "0", "false", "no")


def absent(file: WeightsFile, why: str) -> UserError:
    """The error for a file that cannot be had: its name, its address, its hash, and the folder to put it in."""
    return UserError(
        f"{file.name}: {why}. Address: {file.address or 'none known'}; "
        f"sha256: {file.sha256 or 'not pinned'}; put the file into {path(file).parent}, or run `harness prefetch BOARD`"
    )


def sha256(path: Path) -> str:
    """Hash of a file, or of a diffusers folder's settings and weights; computed once a process while it stays the same.

    Raises: UserError when it cannot be read.
    """
    try:
        if path.is_dir():
            files = [one for one in sorted(path.iterdir()) if one.name == "config.json" or one.suffix in (".safetensors", ".bin")]
            # Of 64 digits as a file's, since boards pin both alike.
            return hashlib.sha256(json.dumps({one.name: sha256(one) for one in files}, sort_keys=True).encode()).hexdigest()
        facts = path.stat()
        return _sha256(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


@cache
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - what tells that it stayed the same
    return file_sha256(path)
