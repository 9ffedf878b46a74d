"""The process of one job: forked from the fork server, which has imported what the job needs. It may wait for its job."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
import threading
from collections.abc import MutableSequence, Sequence
from multiprocessing.connection import Connection
from traceback import format_exception_only

from harness.process import stop, worker
from harness_local.messages import Answer, Order

STOP = signal.SIGUSR1
"""The signal with which the executor tells the fork server that all jobs must stop. SIGINT and SIGTERM stay blocked there."""
PR_SET_PDEATHSIG = 1  # prctl(2)
BEGUN = 1
"""Place in the shared memory that says whether the job has begun; `harness.process.stop.tell_saving` has place 0."""
OWN_THREADS = 2
"""Threads of every job: the main thread, and that which watches the server."""


def run(
    server: int, to_server: Connection, of_server: Sequence[Connection], shared: MutableSequence[int], is_spare: bool
) -> None:
    """Wait for an order, do its job, and send the answer: (names of the modules that it imported, pickled `Answer`, whether the
    process holds nothing that the next job may need).

    Args:
        server: process id of the fork server.
        to_server: the end of this job's own pipe.
        of_server: connections of the server, which a job must not keep open.
        shared: memory that the server sees: see `BEGUN`.
        is_spare: whether the process may wait long. A stop signal that came meanwhile ends it, since it was meant for no job.
    """
    for connection in of_server:
        connection.close()
    _take_signals()
    _die_with(server)
    try:
        order: Order = to_server.recv()
    except (EOFError, OSError):
        os._exit(worker.KILLED_WITH_PARENT)
    if is_spare and not signal.sigpending().isdisjoint(stop.SIGNALS):
        os._exit(0)
    shared[BEGUN] = 1
    stop.tell_saving(shared)
    worker.begin(server, slot=order.slot)
    _seed_anew()
    before = set(sys.modules)
    answer = _answer(order)
    imported = tuple(name for name in list(sys.modules) if name not in before)
    to_server.send((imported, answer, _holds_nothing()))


def _answer(order: Order) -> bytes:
    try:
        function, arguments = pickle.loads(order.call)
        return pickle.dumps(Answer(function(*arguments), None))
    except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
        return pickle.dumps(Answer(None, "".join(format_exception_only(error)).strip()))


def _holds_nothing() -> bool:
    """Return whether the next job may start before this process is gone: it has no memory of a card, and no thread works on."""
    import torch

    return not torch.cuda.is_initialized() and threading.active_count() <= OWN_THREADS


def _seed_anew() -> None:
    """Seed the global generators of NumPy and torch from the system, as a process alone does; a fork has its parent's state.

    Python seeds its own generator at a fork.
    """
    import numpy
    import torch

    numpy.random.seed()
    torch.default_generator.seed()


def _take_signals() -> None:
    """Give up the handler of the server. SIGINT and SIGTERM stay blocked until `worker.begin`."""
    signal.signal(STOP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [STOP])


def _die_with(server: int) -> None:
    """Let the kernel kill this process when the server ends, even inside of a C function; `worker.begin` watches elsewhere."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != server:  # it had ended before
        os._exit(worker.KILLED_WITH_PARENT)
