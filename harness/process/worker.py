"""What a process that runs jobs is like, whoever starts it: one thread, polite signals, no orphans."""

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


def thread_environment() -> dict[str, str]:
    """Environment for workers; what the user has set stays."""
    return {name: os.environ.get(name, "1") for name in THREADS}


@contextmanager
def signals_later() -> Iterator[None]:
    """Start a worker's process in this block: a signal that comes before `begin` waits for it, and does not kill the imports."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(parent: int | None = None) -> None:
    """Call first in a worker.

    Args:
        parent: id of the process whose end must end this one: an orphan would hold leases for nobody.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop.on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop.SIGNALS)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    memory.keep_freed()
    import torch

    torch.set_num_threads(int(thread_environment()["OMP_NUM_THREADS"]))
    # Saturated activations underflow, and arithmetic on denormal numbers is several times slower: a trained softplus network
    # spent two thirds of its matrix products on them.
    torch.set_flush_denormal(True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)  # as if killed with it; the next run goes on from the last checkpoint
