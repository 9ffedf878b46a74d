"""Atomic writes of files and folders: each appears complete or not at all. A clear message says when the disk refuses one."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

from harness.errors import EndsTheRun
from harness.process.host import ProcessId, this_process

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP}
_TOO_MANY_OPEN = {errno.EMFILE, errno.ENFILE}
_ANOTHER_FOLDER = "choose another folder (of runs: --runs-dir or HARNESS_RUNS; of downloads: HARNESS_CACHE)"
_KEPT = "run again: finished work is kept"
FILE_BITS = 0o666
"""The permissions that a new file may have before the umask; it is not executable."""
checks: list[Callable[[], None]] = []
"""Functions that raise where this process must write no more: `harness.store.lease` adds the one that looks at its leases. They
are called before anything appears, is renamed or is removed."""
_numbers = itertools.count()


class StorageError(EndsTheRun):
    """The disk refused to store or to give something. Everything written before is intact, and the next run goes on from it."""


class Damage(Exception):
    """Something is not as it was written: its content is wrong, or a part of it is absent.

    A refusal of the system is no damage: another user's permissions, a broken disk, too many open files. See `reading`.
    """


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which reads `path`, into one of two errors.

    Raises: Damage where the file is absent, or a folder stands in its place; StorageError, with a clear message, where the
        system refuses to read what may well be whole.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _ABSENT:
            raise Damage(f"{path.name}: {reason}") from error
        raise StorageError(f"{path}: cannot be read: {reason}; {_reading_remedy(error)} and {_KEPT}") from error


def exists(path: Path) -> bool:
    """Return whether something is at a path. Raises: StorageError when the system refuses to say."""
    with reading(path):
        return path.exists()


def _reading_remedy(error: OSError) -> str:
    if error.errno in _REFUSED:
        return "ask its owner for the permission to read it,"
    return "raise the limit of open files (ulimit -n)" if error.errno in _TOO_MANY_OPEN else "see to the disk"


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
        if (fault := _writing_fault(path, error)) is None:
            raise
        raise StorageError(f"{path}: {fault} and {_KEPT}") from error


def _writing_fault(path: Path, error: OSError) -> str | None:
    """Return why the disk refuses a write, and the remedy; None where the cause is something else."""
    reason = os.strerror(error.errno or 0)
    if error.errno in _NO_ROOM:
        return "no room left; free some space"
    if error.errno in _REFUSED:
        return f"not writable; change its permissions, or {_ANOTHER_FOLDER}"
    if (link := link_fault(path)) is not None:
        return link
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"a file stands where a folder must be; move {blocking_file(path) or 'it'} away"
    if error.errno == errno.EISDIR:
        return "a folder stands where a file must be; move it away"
    if error.errno in _TOO_MANY_OPEN:
        return f"{reason}; raise the limit of open files (ulimit -n)"
    if error.errno in (errno.EIO, errno.ENOENT):
        return f"{reason}; see to the disk or the folder"
    return None


def dangling_link(path: Path) -> Path | None:
    """Return the first of the path and the folders above it that is a link to nothing; None when there is none."""
    return next((part for part in (path, *path.parents) if os.path.islink(part) and not os.path.exists(part)), None)


def link_fault(path: Path) -> str | None:
    """Return what is wrong with a path, and the remedy, where a part of it is a link to nothing; None elsewhere."""
    if (link := dangling_link(path)) is None:
        return None
    return f"{link} is a link to {os.readlink(link)}, which is not there; make that folder, or remove the link"


def blocking_file(folder: Path) -> Path | None:
    """Return the file that stands where the folder, or a folder above it, must be; None when there is none."""
    first = next((part for part in (folder, *folder.parents) if os.path.exists(part)), None)
    return None if first is None or os.path.isdir(first) else first


def missing_folder(folder: Path) -> str:
    """Return which part of the path of a folder that is not there is absent, or is a file, and the remedy."""
    first = next(parent for parent in reversed([folder, *folder.parents]) if not parent.is_dir())
    if first.exists():
        return f"{first} is a file and no folder; name another folder"
    return f"the folder {first} is absent; make it (mkdir -p {folder}) or name another folder"


def scratch_path(path: Path) -> Path:
    """Return a new name beside a path, for what is on its way there: hidden, with the process in it: `.NAME.IDENTITY-PID-…`.

    So nobody removes what another process writes, and what a dead process left can be told.
    """
    host, pid, start = this_process()
    return path.with_name(f".{path.name}.{ProcessId(host.identity, pid, start, f'{next(_numbers) % 2**24:06x}')}")


def scratch_owner(name: str) -> ProcessId | None:
    """Return the process in the name of a scratch file or folder; None for other names."""
    return ProcessId.of(name.rpartition(".")[2]) if name.startswith(".") else None


def _check() -> None:
    for check in checks:
        check()


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder, one of whose two names is this process's own. Raises: OSError.

    A server of a network's file system may do it and lose its answer: the second try then finds no source, and fails. Nobody else
    knows the own name, so the names that are there say what happened.
    """
    try:
        source.replace(target)
    except OSError:
        if os.path.lexists(source) or not os.path.lexists(target):
            raise


def remove_folder(path: Path) -> None:
    """Remove a folder and what is in it, if it is there and the system lets it go. It is gone at once, and its files follow.

    Raises: Lost, see `harness.store.lease`.
    """
    scratch = scratch_path(path)
    _check()
    with suppress(OSError):
        rename(path, scratch)
    shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a scratch path, where the block writes a file. If the block succeeds, the file is synced and renamed to `path`.

    If the block fails, the file is deleted. Missing folders above `path` are made. The file's mode follows the umask, whatever
    the block did. Raises: StorageError; Lost, see `harness.store.lease`.
    """
    scratch = scratch_path(path)
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            scratch.touch(exist_ok=False)
            mode = _mode(scratch)
            yield scratch
            _set_mode(scratch, mode)
            _sync(scratch)
            _check()
            rename(scratch, path)
            _sync(path.parent)
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


@contextmanager
def appearing_folder(path: Path, *, synced_after: float = 0.0) -> Iterator[Path]:
    """Yield a scratch folder for the block to fill. It is renamed to `path` if the block succeeds, and deleted if not.

    When a folder exists at `path` already, that one is kept and the new one is deleted. The modes of all files follow the umask,
    whatever the block did.

    Args:
        synced_after: the folder is synced to the disk if the block took at least so many seconds. The work of a shorter block may
            go without a sync. A killed process loses nothing that way. After a loss of power the checksums show the damage, and
            making the folder again takes hardly longer than the sync would have taken.
    Raises: StorageError when the disk refuses the folder; Lost, see `harness.store.lease`. An OSError of the block passes
    unchanged, since it may come from a plugin and concern another disk. Code in the block that writes into the folder must use
    `storage` itself.
    """
    scratch = scratch_path(path)
    with storage(path):
        scratch.mkdir(parents=True)
    began = time.monotonic()
    try:
        yield scratch
        is_synced = time.monotonic() - began >= synced_after
        with storage(path):
            for file in scratch.iterdir():
                _set_mode(file, _mode(scratch) & FILE_BITS)
            if is_synced:
                for file in (*scratch.iterdir(), scratch):
                    _sync(file)
            _check()
            _rename_unless_there(scratch, path)
            if is_synced:
                _sync(path.parent)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _rename_unless_there(scratch: Path, path: Path) -> None:
    try:
        rename(scratch, path)
    except OSError as error:
        # The number is the server's word. What this host knows of the path may be older, where a network lies between them.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) and not path.is_dir():
            raise


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _set_mode(path: Path, mode: int) -> None:
    """Set the mode that any new file gets here: safetensors makes its files 0600, which shuts other users out."""
    if _mode(path) != mode:
        path.chmod(mode)


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
    _check()
    with storage(path):
        rename(path, new_path)
    return new_path


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
