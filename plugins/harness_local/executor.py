"""One worker process a slot; a worker that dies takes its own job with it and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from traceback import format_exception_only

from harness.config import Config
from harness.interfaces import Job, JobEnd
from harness.process import stop, worker

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class _Slot:
    """A process that runs one job at a time, started when the first comes."""

    def __init__(self) -> None:
        self.pool: ProcessPoolExecutor | None = None
        self.job: Job | None = None
        self.future: Future[object] | None = None

    def start(self, job: Job) -> None:
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, get_context("spawn"), worker.begin, (os.getpid(),))
        self.job = job
        with worker.signals_later():
            self.future = self.pool.submit(job.function, *job.arguments)

    def signal(self, number: int) -> None:
        for process in list((getattr(self.pool, "_processes", None) or {}).values()):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def take_end(self) -> JobEnd:
        assert self.job is not None
        assert self.future is not None
        job, future = self.job, self.future
        self.job = self.future = None
        try:
            return JobEnd(job, value=future.result())
        except BrokenProcessPool:
            self.close()
            return JobEnd(job, death="its process died (killed, or out of memory)")
        except BaseException as error:  # what a job raises ends that job alone; SystemExit too, which a plugin may raise
            return JobEnd(job, death="".join(format_exception_only(error)).strip())

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None


class LocalExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        os.environ.update(worker.thread_environment())  # before the workers' interpreters start
        workers = [_Slot() for _ in range(slots)]
        try:
            self._loop(ready, workers)
        finally:
            for slot in workers:
                slot.close()

    def _loop(self, ready: Ready, workers: list[_Slot]) -> None:
        queue: list[Job] = []
        ends: list[JobEnd] = []
        while not stop.is_requested():
            more = ready(ends)
            if more is None:
                return
            queue.extend(more)
            for slot in workers:
                if slot.job is None and queue:
                    slot.start(queue.pop(0))
            ends = _wait(workers)
        self._interrupt(workers)
        ready(ends + _wait(workers))

    def _interrupt(self, workers: list[_Slot]) -> None:
        """Let running jobs save their state; a second request ends them at once."""
        for slot in workers:
            slot.signal(signal.SIGINT)
        while any(slot.future is not None and not slot.future.done() for slot in workers):
            if stop.is_forced():
                for slot in workers:
                    slot.signal(signal.SIGKILL)
            time.sleep(POLL_SECONDS)


def _wait(workers: list[_Slot]) -> list[JobEnd]:
    """Ends that come within a short time."""
    running = [slot.future for slot in workers if slot.future is not None]
    if running:
        wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
    else:
        time.sleep(POLL_SECONDS)
    return [slot.take_end() for slot in workers if slot.future is not None and slot.future.done()]
