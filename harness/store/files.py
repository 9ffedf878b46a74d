"""Atomic writes of files and folders: each appears complete or not at all. A clear message says when the disk refuses one."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

from harness.errors import EndsTheRun

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(EndsTheRun):
    """The disk refused to store something. Everything written before is intact, and the next run goes on from it."""


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError with a clear message, where its cause is that the disk refused a write.

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
    """Yield a scratch path, where the block writes a file. If the block succeeds, the file is synced and renamed to `path`.

    If the block fails, the file is deleted. Missing folders above `path` are made. Raises: StorageError.
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
    """Yield a scratch folder for the block to fill. It is renamed to `path` if the block succeeds, and deleted if not.

    When a folder exists at `path` already, that one is kept and the new one is deleted. The caller must hold a lease of `path`.
    So a folder that is found at the scratch path was left by a killed writer, and it is removed first.

    Args:
        synced_after: the folder is synced to the disk if the block took at least so many seconds. The work of a shorter block may
            go without a sync. A killed process loses nothing that way. After a loss of power the checksums show the damage, and
            making the folder again takes hardly longer than the sync would have taken.
    Raises: StorageError when the disk refuses the folder. An OSError of the block passes unchanged, since it may come from a
    plugin and concern another disk. Code in the block that writes into the folder must use `storage` itself.
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


def set_aside(path: Path, reason: Literal["damaged", "replaced"] = "damaged") -> Path:
    """Rename a file or folder, so that a new one can take its place and the old one can be inspected.

    Args:
        reason: part of the new name.
    Returns: the new path. Raises: StorageError.
    """
    new_path = path.with_name(f"{path.name}.{reason}-{uuid4().hex[:8]}")
    with storage(path):
        path.rename(new_path)
    return new_path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
