"""What a process that runs jobs is like, whoever starts it: one thread, polite signals, no orphans."""

from __future__ import annotations

import logging
import os
import threading
import time

from harness import stop

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""One thread a worker: small networks gain nothing from a second, and lose much when another process wants the core."""


def thread_environment() -> dict[str, str]:
    """Environment for workers; what the user has set stays."""
    return {name: os.environ.get(name, "1") for name in THREADS}


def begin(parent: int | None = None) -> None:
    """Call first in a worker.

    Args:
        parent: id of the process whose end must end this one: an orphan would hold leases for nobody.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop.on_signals()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(int(thread_environment()["OMP_NUM_THREADS"]))
    # Saturated activations underflow, and arithmetic on denormal numbers is several times slower: a trained softplus network
    # spent two thirds of its matrix products on them.
    torch.set_flush_denormal(True)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)  # as if killed with it; the next run goes on from the last checkpoint
