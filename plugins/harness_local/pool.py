"""The executor's side of the fork servers: one takes orders; others, which must take no more, end with their last job."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait

from harness.errors import UserError
from harness.interfaces import Job, JobEnd
from harness.process import memory, worker
from harness.process.signals import death_of
from harness.toolkit.job_pool import end_of_process
from harness_local import server
from harness_local.child import STOP
from harness_local.messages import Declined, Ended, Order, Ready, Unable

log = logging.getLogger(__name__)
SERVER_LOSSES = 2
"""How often a job whose fork server was killed is given to another one."""


@dataclass
class _Given:
    """A job that a server has, and its slot."""

    job: Job
    slot: int


class _ForkServer:
    """A fork server and the jobs that it has."""

    def __init__(self, barred: frozenset[str], reuse: bool) -> None:
        context = get_context("spawn")
        self.connection, its_end = context.Pipe()
        self.process = context.Process(target=server.serve, args=(its_end, barred, reuse))
        resource_tracker.ensure_running()  # which lets signals through at its end: not inside of the block
        with worker.hold_signals():  # for good: it ends with this process, and jobs let signals through themselves
            self.process.start()
        its_end.close()
        self.given: dict[int, _Given] = {}
        self.is_ready = False
        self.takes_orders = True

    def send(self, order: Order, given: _Given) -> None:
        self.given[order.number] = given
        with suppress(ConnectionError):  # it is gone: the jobs that it had are dealt with when its end is read
            self.connection.send(order)

    def stop(self) -> list[JobEnd]:
        """Let its jobs save their state. A server that is not ready yet ends at once; returns: the ends of its jobs."""
        if not self.is_ready:
            return self.kill("it was stopped before its work began")
        if self.process.is_alive():
            os.kill(self.process.pid or 0, STOP)
        return []

    def kill(self, reason: str) -> list[JobEnd]:
        """End it at once, and all its jobs, which the kernel kills with it. Returns: the ends of the jobs."""
        self.process.kill()
        given, self.given = list(self.given.values()), {}
        return [JobEnd(each.job, death=f"its process died: {reason}") for each in given]

    def close(self) -> None:
        """End it, and what it runs."""
        self.connection.close()
        self.process.join(worker.PARENT_CHECK_SECONDS if self.is_ready else 0)
        if self.process.is_alive():
            self.process.kill()  # it imports something; its jobs end with it
        self.process.join()
        self.process.close()


@dataclass
class Pool:
    """Jobs side by side, each in a process that is as it was before any job.

    Args:
        slots: how many at once.
        reuse: whether a process does one job after the other, as long as none leaves it changed.
    """

    slots: int
    reuse: bool = False
    queue: list[Job] = field(default_factory=list)
    _servers: list[_ForkServer] = field(default_factory=list)
    _barred: set[str] = field(default_factory=set)
    _losses: dict[str, int] = field(default_factory=dict)
    _orders: int = 0

    @property
    def running(self) -> int:
        """How many jobs the servers have."""
        return sum(len(each.given) for each in self._servers)

    def fill(self) -> None:
        """Give queued jobs to a server, as far as slots are free."""
        while self.queue and self.running < self.slots:
            job = self.queue.pop(0)
            used = {given.slot for each in self._servers for given in each.given.values()}
            slot = next(slot for slot in range(self.slots) if slot not in used)
            self._orders += 1
            order = Order(self._orders, slot, pickle.dumps((job.function, job.arguments)), job.imports)
            self._current().send(order, _Given(job, slot))

    def _current(self) -> _ForkServer:
        if not (self._servers and self._servers[-1].takes_orders):
            self._servers.append(_ForkServer(frozenset(self._barred), self.reuse))
        return self._servers[-1]

    def ends(self, timeout: float) -> list[JobEnd]:
        """Return the ends of jobs that are over, after `timeout` seconds at most. Raises: UserError when no job can start."""
        ends: list[JobEnd] = []
        sources = {each.connection: each for each in self._servers}
        for connection in wait(list(sources), timeout):
            ends += self._read(sources[connection])  # type: ignore[index]
        for each in [each for each in self._servers if not (each.takes_orders or each.given)]:
            self._servers.remove(each)
            each.close()
        return ends

    def _read(self, source: _ForkServer) -> Iterator[JobEnd]:
        try:
            while source.connection.poll():
                message = source.connection.recv()
                if isinstance(message, Ended):
                    job = source.given.pop(message.number).job
                    if message.left:
                        log.warning("%s left its process changed, which ends with it: %s", job.name, message.left)
                    yield end_of_process(job, message.answer, message.exit_code)
                else:
                    self._note(source, message)
        except (EOFError, ConnectionError):
            yield from self._lost(source)

    def _note(self, source: _ForkServer, message: object) -> None:
        match message:
            case Ready():
                source.is_ready = True
            case Declined(number, package, change):
                if package not in self._barred:
                    log.warning("importing %s changes %s; each job that needs it imports it anew", package, change)
                self._barred.add(package)
                source.takes_orders = False
                self.queue.insert(0, source.given.pop(number).job)
            case Unable(reason):
                raise UserError(f"executor local: no process for jobs can be started: {reason}{memory.limit_advice()}")

    def _lost(self, source: _ForkServer) -> Iterator[JobEnd]:
        """Deal with the end of a server that nobody asked for. Jobs that ran died with it, and have done nothing to it."""
        source.takes_orders = False
        source.process.join()
        exit_code = source.process.exitcode or 0
        given, source.given = list(source.given.values()), {}
        for each in given:
            losses = self._losses[each.job.name] = self._losses.get(each.job.name, 0) + 1
            if losses <= SERVER_LOSSES:
                log.warning("%s: its fork server %s; the job starts again", each.job.name, death_of(exit_code))
                self.queue.insert(0, each.job)
            elif not source.is_ready:
                advice = memory.limit_advice()
                raise UserError(f"executor local: the process that imports PyTorch for all jobs {death_of(exit_code)}{advice}")
            else:
                yield JobEnd(each.job, death=f"its process died: the fork server {death_of(exit_code)}")

    def stop(self) -> list[JobEnd]:
        """Let running jobs save their state; forget the jobs that wait. Returns: the ends of jobs that had not begun."""
        self.queue.clear()
        return [end for each in self._servers for end in each.stop()]

    def kill(self) -> list[JobEnd]:
        """End everything at once. Returns: the ends of the jobs that ran."""
        return [end for each in self._servers for end in each.kill("a second request to stop ended it")]

    def close(self) -> None:
        """End everything."""
        for each in self._servers:
            each.close()
        self._servers.clear()
