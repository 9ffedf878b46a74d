"""Leases: a process that works on an output or a cell holds the lease of it. Other processes then wait or do other work.

A lease is a lock on a file. The operating system frees the lock whenever the process ends, even when it is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.process import stop
from harness.store.files import storage


class Busy(Exception):
    """Another process holds the lease."""


@contextmanager
def lease(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lease whose lock file is `path` during the block.

    Args:
        wait: whether to wait while another process holds the lease.
    Raises: Busy when another process holds the lease and `wait` is False; Interrupted when the user asks to stop during the
    wait; StorageError when the lock file cannot be made.
    """
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        while True:
            try:
                lock.acquire(timeout=0.5 if wait else 0, poll_interval=0.05)
                break
            except Timeout:
                if not wait:
                    raise Busy(str(path)) from None
                stop.check()
    try:
        yield
    finally:
        lock.release()
