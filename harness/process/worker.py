"""Set up a worker, a process that runs jobs, for any executor.

A worker has one thread by default, stops in order on a signal, and ends when its parent ends.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from harness.process import devices, environment, host, memory, sources, stop, streams

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Variables that set the number of threads. A worker gets one thread by default: small networks gain nothing from a second
thread, and lose much time when another process needs the core."""
PARENT_CHECK_SECONDS = 0.5
PR_SET_PDEATHSIG = 1  # prctl(2)
KILLED_WITH_PARENT = 1
"""Exit code of a worker whose parent has ended."""
_job_id = ""
_has_begun = False


def thread_environment() -> dict[str, str]:
    """Return the environment variables that give a worker one thread; values that the user has set stay."""
    return {name: os.environ.get(name, "1") for name in THREADS}


@contextmanager
def hold_signals() -> Iterator[None]:
    """Hold back stop signals inside the block. A worker that is started in the block receives them only when it calls `begin`.

    Without the block, a Ctrl-C while the worker still imports torch would kill the worker with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def warm_up() -> None:
    """Import what every job needs, and compute nothing. A process that forks workers calls it once, before the first fork.

    The process keeps one thread and no CUDA context, because neither of them survives a fork.
    """
    # Libraries ask at their import whether there is a card. With this, torch asks NVML instead of CUDA, which cannot be forked.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    # pandas imports pyarrow where it is installed, whose allocator starts a thread unless it is told not to.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    import torch  # noqa: F401

    from harness.plugins import registry

    _set_up_for_good()
    registry()
    sources.note_start()
    environment.commit()
    host.here()


def begin(parent: int | None = None, *, slot: int = 0, job_id: str = "") -> None:
    """Set this process up as a worker. A worker calls it before anything else.

    Args:
        parent: id of the parent process. The worker ends when the parent ends: an orphan would keep its leases, and nobody would
            use its results. None: the worker does not watch its parent.
        slot: number of this worker among those that run on this machine at once. Where `--device` names no card, the worker
            takes card number `slot` modulo the number of cards.
        job_id: the id of the worker's job in the queue of its cluster, such as `4711_3` in Slurm, which people look up there;
            "" where there is no queue.
    """
    global _has_begun, _job_id
    _has_begun, _job_id = True, job_id
    devices.take_slot(slot)
    _set_up_for_good()
    stop.on_signals()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop.SIGNALS)
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    import torch

    torch.set_num_threads(int(thread_environment()["OMP_NUM_THREADS"]))
    # Saturated activations become denormal numbers, and arithmetic on these is several times slower. A trained softplus network
    # spent two thirds of the time of its matrix products on them.
    torch.set_flush_denormal(True)


@cache
def _set_up_for_good() -> None:
    """Set up what a fork has of its parent: it costs each worker a millisecond where the process that forks has not done so."""
    streams.guard_stderr()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    memory.keep_freed()


def job_id() -> str:
    """Return the id of this worker's job in the queue of its cluster; "" where there is no queue, and outside of workers."""
    return _job_id


def has_begun() -> bool:
    """Return whether this process is a worker, which prints nothing but what its jobs print."""
    return _has_begun


def end_with(parent: int) -> None:
    """Let this process end when its parent does, even when the parent is killed.

    Args:
        parent: id of the parent, as the parent knew it: it may have ended before this process asks for it.
    """
    if sys.platform.startswith("linux"):  # at once, also in the middle of a C function
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(KILLED_WITH_PARENT)  # as if killed with the parent: the next run goes on from the last checkpoint
