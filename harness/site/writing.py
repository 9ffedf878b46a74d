"""Write a site into a folder: what is new, nothing that is as it was, and no file that somebody else put there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harness.errors import UserError
from harness.store.files import appearing, blocking_file, storage
from harness.store.reading import read_bytes

LIST = "files.json"
"""The file that lists what the harness wrote; a folder with other things in it and no such file is not written to."""


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files, and remove those of an earlier site that are no longer part of it.

    Raises: UserError for a folder that holds something else than a site; StorageError.
    """
    earlier = _earlier(folder)
    for path, content in files.items():
        _write(folder / path, content)
    _write(folder / LIST, (json.dumps(sorted(files), indent=0) + "\n").encode())
    for path in earlier - set(files):
        _remove(folder, path)


def check_folder(folder: Path) -> None:
    """Check, before long work, that a site can be written there. Raises: UserError."""
    _earlier(folder)


def _earlier(folder: Path) -> set[str]:
    """Return the files of the site that the folder holds. Raises: UserError for a folder with other things in it."""
    if (file := blocking_file(folder)) is not None:
        raise UserError(f"{file}: a file stands where a folder must be; choose another with -o")
    if not folder.exists() or not any(folder.iterdir()):
        return set()
    try:
        listed = json.loads(read_bytes(folder / LIST))
    except (OSError, ValueError, RecursionError):
        raise UserError(f"{folder}: holds files that are no site of `harness report`; choose another folder with -o") from None
    return {path for path in listed if isinstance(path, str) and _is_inside(path)} if isinstance(listed, list) else set()


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not PurePosixPath(path).is_absolute()


def _write(path: Path, content: bytes) -> None:
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.read_bytes() == content:
            return
        with appearing(path) as scratch:
            scratch.write_bytes(content)


def _remove(folder: Path, path: str) -> None:
    """Remove a file, and the folders that it leaves empty."""
    file = folder / path
    with storage(file):
        file.unlink(missing_ok=True)
        for parent in file.parents:
            if parent == folder or any(parent.iterdir()):
                break
            parent.rmdir()
