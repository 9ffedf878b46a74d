"""The C library's allocator, told to keep what tensors free: a network frees and asks for the same megabytes again and again.

glibc gives every large block back to the system at once, and gets it anew page by page, each cleared by the kernel. On a CPU
that can take longer than the network (benchmarks/extraction.py).
"""

from __future__ import annotations

import ctypes
import os
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt(3)
LARGEST = 2**31 - 1
OWN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
"""Environment variables of users who have chosen for themselves, or another allocator."""


def keep_freed() -> bool:
    """From now on blocks of all sizes come from the heap, which does not shrink. Returns: whether it is so.

    Elsewhere than on Linux with glibc, and where the environment has settings of its own, nothing happens.
    """
    library = _glibc()
    if library is None or any(name.startswith(OWN) for name in os.environ):
        return False
    return bool(library.mallopt(MMAP_MAX, 0)) and bool(library.mallopt(TRIM_THRESHOLD, LARGEST))


def release() -> None:
    """Give what is free back to the system now: between cells, so that the peak of one is not counted for the next."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
