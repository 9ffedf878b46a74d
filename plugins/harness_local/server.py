"""The fork server: a process that has imported torch and computes nothing. Each job is a fork of it, as clean as it is.

A job's process starts in milliseconds, and whatever the job does to it ends with it. The server imports what jobs need: what
their orders name, and what earlier jobs imported. It looks at itself after every package, because a changed global state
would reach all later jobs: then it takes no more orders, and the executor starts another server, which leaves that package alone.
"""

from __future__ import annotations

import importlib
import mmap
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from harness.process import streams, worker
from harness_local import child, cleanness, shared_pages
from harness_local.messages import Declined, Done, Ended, Order, Ready, Unable

POLL_SECONDS = 0.1
STOP_SECONDS = 2.0
"""Time after a stop request that a job has to end where it has nothing to save."""
EXIT_SECONDS = 10.0
"""Time that a process has to end after it has given its answer; threads of a plugin may keep it."""


def serve(connection: Connection, barred: frozenset[str], reuse: bool = False) -> None:
    """Run orders until the other end of the connection is closed, then kill what runs.

    Args:
        barred: packages that the server must not import.
        reuse: whether a process does one order after the other, as long as none leaves it changed.
    """
    with suppress(OSError):
        os.dup2(2, 1)  # what plugins print must not get between the results of the command, which may be JSON
    streams.guard_stderr()
    server = _Server(connection, barred, reuse)
    signal.signal(child.STOP, server.stop)
    with suppress(BrokenPipeError):  # the command is gone: whatever there is to say, nobody listens
        try:
            server.warm_up()
        except (Exception, SystemExit) as error:
            connection.send(Unable(" ".join(f"{type(error).__name__}: {error}".split())))
            return
        try:
            connection.send(Ready())
            server.run()
        finally:
            server.kill()


class _Stopped(BaseException):
    """A stop request came while the server imported something."""


@dataclass
class _Child:
    """A job's process.

    Args:
        saving: shared with the process: see `harness.process.stop.tell_saving`.
        answered: the moment of the answer, by the monotonic clock.
        left, is_free: see `Done`.
    """

    order: Order
    process: BaseProcess
    pipe: Connection
    saving: mmap.mmap
    answer: bytes | None = None
    answered: float | None = None
    left: str = ""
    is_free: bool = False

    def close(self) -> None:
        """Give up its memory and its pipe, at whose end a process that waits for an order ends."""
        self.pipe.close()
        self.saving.close()

    def signal(self, number: int) -> None:
        if self.process.exitcode is None:  # it is not reaped yet, so the number is its own
            with suppress(ProcessLookupError):
                os.kill(self.process.pid or 0, number)


@dataclass
class _Server:
    """The state of the server."""

    connection: Connection
    barred: frozenset[str]
    reuse: bool
    children: dict[int, _Child] = field(default_factory=dict)
    free: dict[int, _Child] = field(default_factory=dict)
    """Processes that wait for an order, by their slots."""
    wanted: list[str] = field(default_factory=list)
    stopped: float | None = None
    is_importing: bool = False
    spoiled: tuple[str, str] | None = None

    def warm_up(self) -> None:
        """Import what every job needs, and note the state that every job finds."""
        worker.warm_up()
        self.clean = cleanness.note()
        shared_pages.arrange()

    def stop(self, *_: object) -> None:
        """Handle the signal STOP: tell all jobs to stop, and start no other."""
        self.stopped = self.stopped or time.monotonic()
        for job in list(self.children.values()):
            job.signal(signal.SIGINT)
        self._end_free()
        if self.is_importing:
            raise _Stopped

    def kill(self) -> None:
        """Kill all jobs."""
        for job in list(self.children.values()):
            job.signal(signal.SIGKILL)
        self._end_free()

    def _end_free(self) -> None:
        while self.free:
            _, waiting = self.free.popitem()
            waiting.signal(signal.SIGKILL)
            waiting.close()

    def run(self) -> None:
        """Take orders until there is nobody who could give one. Raises: BrokenPipeError when there is nobody to answer."""
        while True:
            pipes = [job.pipe for job in self.children.values() if job.answered is None]
            ends = [job.process.sentinel for job in self.children.values()]
            for source in wait([self.connection, *pipes, *ends], POLL_SECONDS if self.children else None):
                if source is self.connection:
                    try:
                        order = self.connection.recv()
                    except (EOFError, ConnectionError):
                        return
                    self._take(order)
            self._look_after_children()

    def _take(self, order: Order) -> None:
        names, self.wanted = (*order.imports, *self.wanted), []
        if self.spoiled is None and self.stopped is None:
            with suppress(_Stopped):
                self._import(names)
        if self.stopped is not None:
            self.connection.send(Ended(order.number, None, -signal.SIGINT))
        elif self.spoiled is not None:
            self.connection.send(Declined(order.number, *self.spoiled))
        elif not self._is_taken_by_free(order):
            self._fork(order)

    def _import(self, names: Iterable[str]) -> None:
        """Import modules, a package after the other, until one of them changes the state of the process."""
        new = [name for name in dict.fromkeys(names) if name not in sys.modules]
        if not new:
            return
        for package, modules in groupby(new, key=lambda name: name.partition(".")[0]):
            if package in self.barred:
                continue
            self._import_modules(modules)
            if changed := self.clean.changes():
                self.spoiled = (package, "; ".join(changed))
                return
        shared_pages.arrange()

    def _import_modules(self, names: Iterable[str]) -> None:
        self.is_importing = True
        try:
            for name in names:
                # A fault is the job's, which meets it in its own process.
                with suppress(Exception, SystemExit, KeyboardInterrupt):
                    importlib.import_module(name)
        finally:
            self.is_importing = False

    def _is_taken_by_free(self, order: Order) -> bool:
        """Give the order to the process of its slot that waits for one. Returns: whether there is one."""
        waiting = self.free.pop(order.slot, None)
        if waiting is None:
            return False
        try:
            waiting.pipe.send(order)
        except OSError:  # it was killed meanwhile
            waiting.close()
            return False
        self.children[order.number] = replace(waiting, order=order, answer=None, answered=None, is_free=False)
        return True

    def _fork(self, order: Order) -> None:
        context = get_context("fork")
        reader, writer = context.Pipe()
        saving = mmap.mmap(-1, mmap.PAGESIZE)  # memory that a fork shares
        process = context.Process(target=child.run, args=(order, os.getpid(), writer, self.connection, saving, self.reuse))
        with _held(child.STOP), warnings.catch_warnings():
            # Python warns of forks beside threads. A package that starts some ends the server (see `cleanness`); there are only
            # those of BLAS, if the user wants several, which can be forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
            self.children[order.number] = _Child(order, process, reader, saving)
        writer.close()

    def _look_after_children(self) -> None:
        for number, job in list(self.children.items()):
            if job.answered is None and job.pipe.poll():
                self._take_answer(job)
            if job.is_free and self.stopped is None:
                self._keep_free(job)
                continue
            now = time.monotonic()
            is_hanging = job.is_free or (job.answered is not None and now - job.answered > EXIT_SECONDS)
            is_idle = self.stopped is not None and now - self.stopped > STOP_SECONDS and not job.saving[0]
            if is_hanging or (is_idle and job.answered is None):
                job.signal(signal.SIGKILL)
            if job.process.exitcode is not None:
                if job.answered is None and job.pipe.poll():
                    self._take_answer(job)
                del self.children[number]
                job.close()
                self.connection.send(Ended(number, job.answer, job.process.exitcode or 0, job.left))

    def _take_answer(self, job: _Child) -> None:
        job.answered = time.monotonic()
        with suppress(EOFError, OSError):
            done: Done = job.pipe.recv()
            job.answer, job.left, job.is_free = done.answer, done.left, done.is_free
            self.wanted += done.imported

    def _keep_free(self, job: _Child) -> None:
        """Keep a process that waits for another order, and hand the end of the last one over."""
        del self.children[job.order.number]
        self.free[job.order.slot] = job
        self.connection.send(Ended(job.order.number, job.answer, 0))


@contextmanager
def _held(number: int) -> Iterator[None]:
    """Hold this signal back inside the block; a process that is started in the block must let it through itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
