"""The C library's allocator: keep the memory that tensors free, because a network asks for the same megabytes again and again.

By default glibc gives every large block back to the system when it is freed. The next large block then comes page by page, and
the kernel clears each page. On a CPU that can take longer than the network itself (benchmarks/extraction.py).
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameter numbers of mallopt(3)
LARGEST = 2**31 - 1
CHOSEN_BY_USER = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Beginnings of environment variables by which users tune the allocator, or take another one."""


def keep_freed() -> bool:
    """Take blocks of all sizes from the heap from now on, and never shrink the heap.

    Nothing happens without glibc, or where the user's environment already tunes the allocator.

    Returns: whether the allocator was changed.
    """
    library = _glibc()
    if library is None or any(name.startswith(CHOSEN_BY_USER) for name in os.environ):
        return False
    return bool(library.mallopt(MMAP_MAX, 0)) and bool(library.mallopt(TRIM_THRESHOLD, LARGEST))


def release() -> None:
    """Give free memory back to the system now. Called between cells, so that one cell's peak does not count for the next."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
