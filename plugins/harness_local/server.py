"""The fork server: a process that has imported torch and computes nothing. Each job is a fork of it, as clean as it is.

A job's process starts in milliseconds, and whatever the job does to it ends with it. The server imports what jobs need: what
their orders name, and what earlier jobs imported. It looks at itself after every package, because a changed global state
would reach all later jobs: then it takes no more orders, and the executor starts another server, which leaves that package alone.

A fork and the end of a process take tens of milliseconds each. So the server forks the next process, the spare, while a job runs,
and does not wait for the end of a process that has given its answer. A spare that lacks new imports is thrown away.
"""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from harness.process import streams, worker
from harness_local import child, cleanness
from harness_local.messages import Declined, Ended, Order, Ready, Unable

POLL_SECONDS = 0.1
STOP_SECONDS = 2.0
"""Time after a stop request that a job has to end where it has nothing to save."""
EXIT_SECONDS = 10.0
"""Time that a process has to end after it has given its answer; threads of a plugin may keep it."""


def serve(connection: Connection, barred: frozenset[str]) -> None:
    """Run orders until the other end of the connection is closed, then kill what runs.

    Args:
        barred: packages that the server must not import.
    """
    with suppress(OSError):
        os.dup2(2, 1)  # what plugins print must not get between the results of the command, which may be JSON
    streams.guard_stderr()
    server = _Server(connection, barred)
    signal.signal(child.STOP, server.stop)
    try:
        server.warm_up()
    except (Exception, SystemExit) as error:
        connection.send(Unable(" ".join(f"{type(error).__name__}: {error}".split())))
        return
    connection.send(Ready())
    try:
        server.run()
    finally:
        server.kill()


class _Stopped(BaseException):
    """A stop request came while the server imported something."""


@dataclass
class _Child:
    """A process for a job.

    Args:
        shared: memory that the process shares: see `child.BEGUN` and `harness.process.stop.tell_saving`.
        is_spare: whether it was forked before there was an order for it.
        order: what it does; None while it waits.
        answered: the moment of the answer, or of the signal that ends a spare, by the monotonic clock.
        holds_nothing: whether the next job may start before the process is gone.
    """

    process: BaseProcess
    pipe: Connection
    shared: mmap.mmap
    is_spare: bool
    order: Order | None = None
    answer: bytes | None = None
    answered: float | None = None
    holds_nothing: bool = False

    @property
    def has_begun(self) -> bool:
        return bool(self.shared[child.BEGUN])

    def is_hanging(self, now: float) -> bool:
        return self.answered is not None and now - self.answered > EXIT_SECONDS

    def close(self) -> None:
        self.pipe.close()
        self.shared.close()

    def signal(self, number: int) -> None:
        if self.process.exitcode is None:  # it is not reaped yet, so the number is its own
            with suppress(ProcessLookupError):
                os.kill(self.process.pid or 0, number)


@dataclass
class _Server:
    """The state of the server.

    Args:
        children: processes with a job, by the number of its order.
        spare: a process that waits for the next order, forked from a clean state with all that was imported until then.
        leaving: processes that are about to end, whose jobs are done.
        wanted: modules that jobs have imported.
        tried: modules that were imported here; some cannot be, and are left to the jobs.
    """

    connection: Connection
    barred: frozenset[str]
    children: dict[int, _Child] = field(default_factory=dict)
    spare: _Child | None = None
    leaving: list[_Child] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    stopped: float | None = None
    is_importing: bool = False
    spoiled: tuple[str, str] | None = None

    def warm_up(self) -> None:
        """Import what every job needs, and note the state that every job finds."""
        worker.warm_up()
        self.clean = cleanness.note()
        _freeze()

    def stop(self, *_: object) -> None:
        """Handle the signal STOP: tell all jobs to stop, and start no other."""
        self.stopped = self.stopped or time.monotonic()
        for job in list(self.children.values()):
            job.signal(signal.SIGINT)
        self._drop_spare()
        if self.is_importing:
            raise _Stopped

    def kill(self) -> None:
        """Kill all processes."""
        self._drop_spare()
        for job in (*self.children.values(), *self.leaving):
            job.signal(signal.SIGKILL)

    def run(self) -> None:
        """Take orders until there is nobody who could give one."""
        while True:
            pipes = [job.pipe for job in self.children.values() if job.answered is None]
            processes = [*self.children.values(), *self.leaving, self.spare]  # at once: the handler of STOP moves the spare
            ends = [job.process.sentinel for job in processes if job is not None]
            for source in wait([self.connection, *pipes, *ends], POLL_SECONDS if self.children or self.leaving else None):
                if source is self.connection:
                    try:
                        order = self.connection.recv()
                    except (EOFError, ConnectionError):
                        return
                    self._take(order)
            try:
                self._look_after_children()
                self._reap()
            except BrokenPipeError:
                return

    def _take(self, order: Order) -> None:
        names, self.wanted = (*order.imports, *self.wanted), []
        if self.spoiled is None and self.stopped is None:
            with suppress(_Stopped):
                self._import(names)
        self._begin(order)

    def _begin(self, order: Order) -> None:
        if self.stopped is not None:
            self.connection.send(Ended(order.number, None, -signal.SIGINT))
        elif self.spoiled is not None:
            self.connection.send(Declined(order.number, *self.spoiled))
        else:
            self._give(order)
            self._fork_spare()

    def _import(self, names: Iterable[str]) -> None:
        """Import modules, a package after the other, until one of them changes the state of the process."""
        new = [name for name in dict.fromkeys(names) if name not in sys.modules and name not in self.tried]
        new = [name for name in new if name.partition(".")[0] not in self.barred]
        if not new:
            return
        self.tried.update(new)
        self._drop_spare()  # it lacks these
        for package, modules in groupby(new, key=lambda name: name.partition(".")[0]):
            self._import_modules(modules)
            if changed := self.clean.changes():
                self.spoiled = (package, "; ".join(changed))
                return
        _freeze()

    def _import_modules(self, names: Iterable[str]) -> None:
        self.is_importing = True
        try:
            for name in names:
                # A fault is the job's, which meets it in its own process.
                with suppress(Exception, SystemExit, KeyboardInterrupt):
                    importlib.import_module(name)
        finally:
            self.is_importing = False

    def _give(self, order: Order) -> None:
        with _held(child.STOP):
            job, self.spare = self.spare or self._fork(is_spare=False), None
            job.order = order
            self.children[order.number] = job
        with suppress(OSError):  # it has died, which is seen at once
            job.pipe.send(order)

    def _fork_spare(self) -> None:
        with _held(child.STOP), suppress(OSError):  # no memory, or too many processes: the next order has a fork of its own
            if self.spare is None and self.stopped is None:
                self.spare = self._fork(is_spare=True)

    def _drop_spare(self) -> None:
        with _held(child.STOP):
            spare, self.spare = self.spare, None
            if spare is not None:
                spare.signal(signal.SIGKILL)
                spare.answered = time.monotonic()
                self.leaving.append(spare)

    def _fork(self, *, is_spare: bool) -> _Child:
        """Fork a process that waits for its order. STOP is held back meanwhile."""
        context = get_context("fork")
        ours, its = context.Pipe()
        shared = mmap.mmap(-1, mmap.PAGESIZE)  # memory that a fork shares
        arguments = (os.getpid(), its, (ours, self.connection), shared, is_spare)
        process = context.Process(target=child.run, args=arguments)
        with warnings.catch_warnings():
            # Python warns of forks beside threads. A package that starts some ends the server (see `cleanness`); there are only
            # those of BLAS, if the user wants several, which can be forked.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        its.close()
        return _Child(process, ours, shared, is_spare)

    def _look_after_children(self) -> None:
        for number, job in list(self.children.items()):
            if job.answered is None and job.pipe.poll():
                self._take_answer(job)
            now = time.monotonic()
            is_idle = self.stopped is not None and now - self.stopped > STOP_SECONDS and not job.shared[0]
            if job.is_hanging(now) or (is_idle and job.answered is None):
                job.signal(signal.SIGKILL)
            if job.answer is not None and job.holds_nothing:
                del self.children[number]
                self.leaving.append(job)
                self.connection.send(Ended(number, job.answer, 0))
            elif job.process.exitcode is not None:
                if job.answered is None and job.pipe.poll():
                    self._take_answer(job)
                del self.children[number]
                self._end(number, job)

    def _end(self, number: int, job: _Child) -> None:
        """Report the end of a process that is gone. A spare that ended before its job began has done nothing to the job."""
        if job.answer is None and job.is_spare and not job.has_begun and job.order is not None:
            self._begin(job.order)
        else:
            self.connection.send(Ended(number, job.answer, job.process.exitcode or 0))
        job.close()

    def _reap(self) -> None:
        """Look after the processes that are about to end, and after a spare that somebody has ended."""
        for job in list(self.leaving):
            if job.is_hanging(time.monotonic()):
                job.signal(signal.SIGKILL)
            if job.process.exitcode is not None:
                self.leaving.remove(job)
                job.close()
        spare = self.spare  # which the handler of STOP takes away
        if spare is not None and spare.process.exitcode is not None:
            self._drop_spare()

    def _take_answer(self, job: _Child) -> None:
        job.answered = time.monotonic()
        with suppress(EOFError, OSError):
            imported, job.answer, job.holds_nothing = job.pipe.recv()
            self.wanted += imported


@contextmanager
def _held(number: int) -> Iterator[None]:
    """Hold this signal back inside the block; a process that is started in the block must let it through itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _freeze() -> None:
    """Keep the garbage collector away from what is here now, so that the pages stay shared with all jobs."""
    gc.collect()
    gc.freeze()
