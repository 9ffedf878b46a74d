"""Run jobs in processes of this machine, one worker process a slot; a worker that dies ends its own job and no other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from traceback import format_exception_only

from harness.config import Config
from harness.interfaces import Job, JobEnd
from harness.process import stop, worker

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


@dataclass(frozen=True)
class _Running:
    """A job in a worker, and the future of its return value."""

    job: Job
    future: Future[object]


class _Slot:
    """A worker process that runs one job at a time; the process starts with the first job."""

    def __init__(self) -> None:
        self.running: _Running | None = None
        self._pool: ProcessPoolExecutor | None = None

    def start(self, job: Job) -> None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), worker.begin, (os.getpid(),))
        with worker.hold_signals():
            self.running = _Running(job, self._pool.submit(job.function, *job.arguments))

    def signal(self, number: int) -> None:
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def take_ends(self) -> list[JobEnd]:
        """Return the end of the slot's job, once, when it is over; nothing before."""
        running = self.running
        if running is None or not running.future.done():
            return []
        self.running = None
        try:
            return [JobEnd(running.job, value=running.future.result())]
        except BrokenProcessPool:
            self.close()
            return [JobEnd(running.job, death="its process died (killed, or out of memory)")]
        except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
            return [JobEnd(running.job, death="".join(format_exception_only(error)).strip())]

    def close(self) -> None:
        if self._pool is not None:
            # Wait for the pool's thread: at exit, Python 3.11 writes to the pipe of that thread, which may be closed by then.
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class LocalExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        os.environ.update(worker.thread_environment())  # before the workers' interpreters start
        workers = [_Slot() for _ in range(slots)]
        try:
            self._run_until_over(ready, workers)
        finally:
            for slot in workers:
                slot.close()

    def _run_until_over(self, ready: Ready, workers: list[_Slot]) -> None:
        queue: list[Job] = []
        ends: list[JobEnd] = []
        while not stop.is_requested():
            more = ready(ends)
            if more is None:
                return
            queue.extend(more)
            for slot in workers:
                if slot.running is None and queue:
                    slot.start(queue.pop(0))
            ends = _wait_for_ends(workers)
        self._interrupt(workers)
        ready(ends + _wait_for_ends(workers))

    def _interrupt(self, workers: list[_Slot]) -> None:
        """Let running jobs save their state; a second request ends them at once."""
        for slot in workers:
            slot.signal(signal.SIGINT)
        while any(slot.running is not None and not slot.running.future.done() for slot in workers):
            if stop.is_forced():
                for slot in workers:
                    slot.signal(signal.SIGKILL)
            time.sleep(POLL_SECONDS)


def _wait_for_ends(workers: list[_Slot]) -> list[JobEnd]:
    """Return the ends of jobs that are over, after a short time at most."""
    futures = [slot.running.future for slot in workers if slot.running is not None]
    if futures:
        wait(futures, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
    else:
        time.sleep(POLL_SECONDS)
    return [end for slot in workers for end in slot.take_ends()]
