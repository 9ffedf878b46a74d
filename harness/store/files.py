"""Files and folders that appear whole or not at all, and one clear message where the disk refuses them."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from harness.errors import EndsTheRun

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(EndsTheRun):
    """The disk refused to store something. Everything that was written before is whole, and the next run goes on from it."""


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn the disk's refusals in the block, which are OSErrors, into one clear message.

    Args:
        path: the file or folder that the block writes.
    Raises: StorageError; an OSError with another reason passes unchanged.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            reason, remedy = "no room left", "free some space"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason, remedy = "not writable", "choose another folder with --runs-dir or HARNESS_RUNS, or change its permissions"
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            reason = "a file stands where a folder must be"
            remedy = "choose another folder with --runs-dir or HARNESS_RUNS"
        elif error.errno in (errno.EIO, errno.ENOENT):
            reason, remedy = os.strerror(error.errno), "see to the disk or the folder"
        else:
            raise
        raise StorageError(f"{path}: {reason}; {remedy} and run again: finished work is kept") from error


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a scratch path for a file, which is synced and renamed to `path` if the block succeeds, and deleted if not.

    Missing folders above `path` are made. Raises: StorageError.
    """
    scratch = path.with_name(f".{path.name}.{uuid4().hex}")
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield scratch
            _sync(scratch)
            scratch.replace(path)
            _sync(path.parent)
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


@contextmanager
def appearing_folder(path: Path, *, synced_after: float = 0.0) -> Iterator[Path]:
    """Yield a scratch folder, which is renamed to `path` if the block succeeds, and deleted if not.

    A folder that exists at `path` already is kept, and the new one is deleted. The caller holds a lease of `path`: so a
    folder at the scratch path was left by a writer that was killed, and is removed first.

    Args:
        synced_after: a folder is synced to the disk unless the block took fewer seconds. A short block needs no sync: a killed
            process loses nothing by it, and after a loss of power the checksums show the damage, and making the folder
            again takes hardly longer than the sync would have.
    Raises: StorageError when the disk refuses the folder. An OSError of the block passes unchanged, since it may come from a
    plugin and concern another disk; code in the block that writes into the folder uses `storage` itself.
    """
    scratch = path.with_name(f".{path.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    with storage(path):
        scratch.mkdir(parents=True)
    began = time.monotonic()
    try:
        yield scratch
        is_synced = time.monotonic() - began >= synced_after
        with storage(path):
            if is_synced:
                for file in (*scratch.iterdir(), scratch):
                    _sync(file)
            _rename_unless_there(scratch, path)
            if is_synced:
                _sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _rename_unless_there(scratch: Path, path: Path) -> None:
    try:
        scratch.rename(path)
    except OSError:
        if not path.is_dir():
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Raises: StorageError."""
    with appearing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, which makes room for a new one and keeps the old one for inspection.

    Returns: the new path. Raises: StorageError.
    """
    new_path = path.with_name(f"{path.name}.damaged-{uuid4().hex[:8]}")
    with storage(path):
        path.rename(new_path)
    return new_path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
