"""The cache folder for published files and for files that a user brings, and the message for a file that is missing."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from harness.errors import UserError
from harness.paths import expanded
from harness.presets import WeightsFile
from harness.store.files import blocking_file
from harness.store.keys import file_sha256
from harness.weights import hub
from harness.weights.diffusers_folders import network_folder

HOME = "~"


def folder() -> Path:
    """Return the cache folder, which need not exist: $HARNESS_CACHE, or else `finetune-harness` in the user's cache folder.

    The user's cache folder is $XDG_CACHE_HOME, or else ~/.cache. Weights stand in `weights/`, datasets in `data/`.
    Raises: UserError when $HARNESS_CACHE names a file.
    """
    if named := os.environ.get("HARNESS_CACHE"):
        path = expanded(named).absolute()
        if (file := blocking_file(path)) is not None:
            raise UserError(f"HARNESS_CACHE={named}: {file} is a file; name a folder, which need not be there yet")
        return path
    caches = expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return (caches if HOME in caches.parts else caches.absolute()) / "finetune-harness"


def data_folders() -> list[Path]:
    """Return the folders to look for data in: $HARNESS_DATA where it is set, and then `data` in the cache folder."""
    own = os.environ.get("HARNESS_DATA")
    return [*([expanded(own).absolute()] if own else []), folder() / "data"]


def check_known() -> None:
    """Raises: UserError where the cache folder is unknown, because there is no home folder."""
    if HOME in folder().parts:
        raise UserError("no home folder is known, and so no place for downloads: set HARNESS_CACHE to a folder")


def place(file: WeightsFile) -> Path:
    """Return the place of a published file in the cache folder, whether it is there or not."""
    return folder() / "weights" / file.name


def path(file: WeightsFile) -> Path:
    """Return the path of a published file: in the cache folder, else in the cache of the hub; where it is absent, its place."""
    own = place(file)
    return own if own.exists() else hub.find(file) or own


def lease_path(file: WeightsFile) -> Path:
    """Return the path of the lease of a file that is downloaded: one process does it for all hosts that share the cache."""
    return folder() / "leases" / file.name.replace("/", "__")


def is_offline() -> bool:
    """Return whether HARNESS_OFFLINE forbids downloads."""
    return os.environ.get("HARNESS_OFFLINE", "").lower() not in ("", "0", "false", "no")


def absent(file: WeightsFile, why: str) -> UserError:
    """Return the error for a file that is not available. It gives name, reason (`why`), address, hash and target folder."""
    return UserError(
        f"{file.name}: {why}. Address: {file.address or 'none known'}; "
        f"sha256: {file.sha256 or 'not pinned'}; put the file into {place(file).parent}, or run `harness prefetch BOARD`"
    )


def sha256(path: Path) -> str:
    """Return the hash of a file, or of the settings and weights in a diffusers folder, as 64 hex digits.

    The hash of a whole pipeline is that of its network's folder.

    A process hashes each file once, and again only when the file's size or modification time has changed.
    Raises: UserError when the path cannot be read.
    """
    try:
        if path.is_dir():
            return _folder_sha256(network_folder(path))
        facts = path.stat()
        return _sha256(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _folder_sha256(folder: Path) -> str:
    names = [
        file.name for file in sorted(folder.iterdir()) if file.name == "config.json" or file.suffix in (".safetensors", ".bin")
    ]
    # The hash over the files' hashes has 64 digits, like the hash of a file, since boards pin folders in the same way as files.
    return hashlib.sha256(json.dumps({name: sha256(folder / name) for name in names}, sort_keys=True).encode()).hexdigest()


@cache
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - both tell whether the file stayed the same
    return file_sha256(path)
