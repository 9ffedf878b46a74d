"""Settings of the C library's allocator: keep freed memory in the process, because a network needs the same blocks repeatedly.

By default glibc gives every large block back to the system when it is freed. The next large block then comes page by page, and
the kernel clears each page. On a CPU this can take longer than the network's own computation (benchmarks/extraction.py).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameter numbers of mallopt(3)
LARGEST = 2**31 - 1
SIGNS_OF_A_LIMIT = ("failed to map segment", "Cannot allocate memory", "MemoryError")
"""Words of errors that a limit of the address space may have caused."""
CHOSEN_BY_USER = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Prefixes of the environment variables with which users tune the allocator or replace it."""


def keep_freed() -> bool:
    """From now on, allocate blocks of all sizes on the heap, and never shrink the heap when blocks are freed.

    Nothing happens without glibc, or where the user's environment already tunes the allocator.

    Returns: whether the allocator was changed.
    """
    library = _glibc()
    if library is None or any(name.startswith(CHOSEN_BY_USER) for name in os.environ):
        return False
    return bool(library.mallopt(MMAP_MAX, 0)) and bool(library.mallopt(TRIM_THRESHOLD, LARGEST))


def release() -> None:
    """Give free memory back to the system now. `PeakMemory` calls it, so that memory of earlier work does not count."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def limit_advice() -> str:
    """Return the rest of a message about lacking memory where the user limits the address space; "" where nothing is limited."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return ""
    return f"; the address space of a process is limited to {limit // 2**20} MB, and PyTorch maps several GB: raise `ulimit -v`"


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
