"""Set up a process that runs jobs, whichever executor starts it: one thread, polite signals, no orphans."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.process import memory, stop

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""One thread a worker: small networks gain nothing from a second, and lose much when another process wants the core."""
PARENT_CHECK_SECONDS = 0.5
KILLED_WITH_PARENT = 1
"""Exit code of a worker whose parent has ended."""


def thread_environment() -> dict[str, str]:
    """Return the environment variables that give a worker one thread; values that the user has set stay."""
    return {name: os.environ.get(name, "1") for name in THREADS}


@contextmanager
def hold_signals() -> Iterator[None]:
    """Start a worker's process inside this block: the worker receives stop signals only from `begin` on.

    Without the block, a Ctrl-C that comes while the worker still imports torch would kill it with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(parent: int | None = None) -> None:
    """Set this process up as a worker. Call first in a worker.

    Args:
        parent: id of the process whose end must end this worker: an orphan would hold leases for nobody.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop.on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop.SIGNALS)
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    memory.keep_freed()
    import torch

    torch.set_num_threads(int(thread_environment()["OMP_NUM_THREADS"]))
    # Saturated activations underflow, and arithmetic on denormal numbers is several times slower: a trained softplus network
    # spent two thirds of its matrix products on them.
    torch.set_flush_denormal(True)


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(KILLED_WITH_PARENT)  # as if killed with the parent: the next run goes on from the last checkpoint
