"""Leases: while a process works on something, others wait for it or do something else.

The operating system frees a lease when its process ends, however it ends.
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
    """Hold the lease of `path`. Raises: Busy when another process holds it and `wait` is False; Interrupted while waiting."""
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
