"""Files that appear whole or not at all, and what a full or unwritable disk says."""

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
    """The disk refused; what was written before is whole, and the next run goes on from there."""


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one clear message about `path`."""
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
    """A scratch path beside `path`: synced and renamed to it if the block succeeds, deleted if not. Raises: StorageError."""
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
    """As `appearing`, for a folder with its files. A folder that already stands at `path` stays, and the new one goes.

    Args:
        synced_after: a block that took fewer seconds is not synced. A kill does no harm to it; after a loss of power
            its checksums tell, and to make it again takes hardly longer than the disk would have taken.

    The caller holds a lease: what stands at the scratch path was left by a writer that was killed, and is removed
    first. An OSError of the block itself passes as it is: it may be a plugin's, which has nothing to do with this disk.
    What writes into the folder says so with `storage`.
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
            try:
                scratch.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
            if is_synced:
                _sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with appearing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def set_aside(path: Path) -> Path:
    """Rename a damaged file or folder, so that it can be looked at and stands in nobody's way."""
    aside = path.with_name(f"{path.name}.damaged-{uuid4().hex[:8]}")
    with storage(path):
        path.rename(aside)
    return aside


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
