"""Leases: a process that works on an output or a cell holds the lease of it. Other processes then wait or do other work.

A lease is a lock on a file. The operating system frees the lock whenever the process ends, even when it is killed. The file is
empty, and any user who can reach the folder may lock it: a lock file of one user must not stop another.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.process import stop
from harness.store.files import ANOTHER_FOLDER, StorageError, storage

LOCK_MODE = 0o666
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class Busy(Exception):
    """Another process holds the lease."""


@contextmanager
def lease(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lease whose lock file is `path` during the block.

    Args:
        wait: whether to wait while another process holds the lease.
    Raises: Busy when another process holds the lease and `wait` is False; Interrupted when the user asks to stop during the
    wait; StorageError when the lock file cannot be made, or when its file system has no locks.
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The library's soft lock, a file that a killed holder leaves behind, would stop every later run.
        lock = FileLock(path, mode=LOCK_MODE, fallback_to_soft=False)
        while not _is_acquired(lock, 0.5 if wait else 0):
            if not wait:
                raise Busy(str(path))
            stop.check()
    try:
        yield
    finally:
        lock.release()


def _is_acquired(lock: FileLock, seconds: float) -> bool:
    """Return whether the lock was free within so many seconds. Raises: StorageError where there are no locks; OSError."""
    try:
        lock.acquire(timeout=seconds, poll_interval=0.05)
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        reason = (isinstance(error, OSError) and error.strerror) or "not supported"
        raise StorageError(
            f"{lock.lock_file}: the file system cannot lock files ({reason}), and two runs would disturb each other; "
            f"{ANOTHER_FOLDER}, on a local disk, or mount this one with locks"
        ) from error
    return True
