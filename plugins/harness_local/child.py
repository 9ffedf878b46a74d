"""The process of a job: forked from the fork server, which has imported what the job needs. It may do other jobs after it."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from collections.abc import MutableSequence
from contextlib import suppress
from itertools import takewhile
from multiprocessing.connection import Connection
from traceback import format_exception_only

from harness.process import stop, worker
from harness_local import reuse
from harness_local.messages import Answer, Done, Order

STOP = signal.SIGUSR1
"""The signal with which the executor tells the fork server that all jobs must stop. SIGINT and SIGTERM stay blocked there."""
PR_SET_PDEATHSIG = 1  # prctl(2)


def run(
    order: Order, server: int, to_server: Connection, of_server: Connection, saving: MutableSequence[int], is_reused: bool
) -> None:
    """Do a job and send `Done`. A process that is used again then waits for another order, until one leaves something changed.

    Args:
        server: process id of the fork server.
        to_server: the end of this process's own pipe.
        of_server: the server's connection with the executor, which a job must not keep open.
        saving: see `harness.process.stop.tell_saving`.
    """
    of_server.close()
    _take_signals()
    is_tied = _die_with(server)
    stop.tell_saving(saving)
    worker.begin(None if is_tied else server, slot=order.slot)
    before = reuse.note() if is_reused else None
    next_order: Order | None = order
    while next_order is not None:
        done = _done(next_order, before)
        to_server.send(done)
        next_order = _received(to_server) if done.is_free else None


def _done(order: Order, before: reuse.Before | None) -> Done:
    """Do a job. before: the state of the process before its first job, where it is to do others too."""
    _seed_anew()
    last = next(reversed(sys.modules))
    answer = _answer(order)
    imported = _imported_after(last)
    if before is None:
        return Done(answer, imported)
    left = before.left()
    return Done(answer, imported, left, is_free=not left and reuse.is_possible())


def _received(to_server: Connection) -> Order | None:
    """Wait for an order. Returns: None when there is none."""
    try:
        order: Order = to_server.recv()
    except (EOFError, OSError):
        return None
    return order


def _imported_after(last: str) -> tuple[str, ...]:
    """Return the names of the modules that were imported after this one, which was the last.

    Those before it are not touched: a look at all names would copy 6 MB of pages that are shared with the server.
    """
    names: list[str] = []
    with suppress(RuntimeError):  # a thread that the job has left imports something
        names += takewhile(lambda name: name != last, reversed(sys.modules))
    return tuple(reversed(names))


def _answer(order: Order) -> bytes:
    try:
        function, arguments = pickle.loads(order.call)
        return pickle.dumps(Answer(function(*arguments), None))
    except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
        return pickle.dumps(Answer(None, "".join(format_exception_only(error)).strip()))


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


def _die_with(server: int) -> bool:
    """Let the kernel kill this process when the server ends, even inside of a C function. Returns: whether the kernel will.

    Elsewhere `worker.begin` watches, with a thread that takes more time than the rest of what it does.
    """
    is_tied = sys.platform.startswith("linux") and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0
    if os.getppid() != server:  # it had ended before
        os._exit(worker.KILLED_WITH_PARENT)
    return is_tied
