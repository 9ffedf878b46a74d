"""Run jobs in a queue: submit what is ready, look at the queue now and then, and read what the jobs have left.

The jobs outlive the command. Another command on the same folder finds them and submits none of them again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

from harness.config import Config
from harness.interfaces import Job, JobEnd, QueueExecutor
from harness.process import stop, worker
from harness_slurm.active import Active
from harness_slurm.local_queue import LocalQueue
from harness_slurm.queues import Queue, SlurmQueue
from harness_slurm.settings import SlurmConfig
from harness_slurm.submitter import Submitter

log = logging.getLogger(__name__)
READY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 300.0
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class SlurmExecutor(QueueExecutor):
    """Implements `harness.interfaces.QueueExecutor`."""

    def __init__(self, config: Config) -> None:
        assert isinstance(config, SlurmConfig)
        self.config = config
        self._folder: Path | None = None

    def take_folder(self, folder: Path) -> None:
        """See the interface."""
        self._folder = folder

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        folder = (self._folder or Path(mkdtemp(prefix="harness-slurm-"))).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.update(worker.thread_environment())  # jobs start with the environment of the command
        _Run(self.config, folder, min(slots, self.config.max_queued)).run(ready)


def queue_of(config: SlurmConfig, folder: Path) -> Queue:
    """Return the queue for jobs whose files stand below `folder`."""
    if config.cluster == "local":
        return LocalQueue(config, folder)
    return SlurmQueue(config, f"harness-{hashlib.sha256(str(folder).encode()).hexdigest()[:10]}")


class _Run:
    """One run of the executor.

    Args:
        slots: how many jobs may be in the queue at once.
    """

    def __init__(self, config: SlurmConfig, folder: Path, slots: int) -> None:
        self.config, self.slots = config, slots
        self.queue = queue_of(config, folder)
        self.submitter = Submitter(config, self.queue, folder)
        self.active = Active(self.queue)
        self._waiting: list[tuple[float, Job]] = []
        self._returned: Counter[str] = Counter()
        self._restarts: Counter[str] = Counter()

    def run(self, ready: Ready) -> None:
        self.submitter.find_earlier()
        ends: list[JobEnd] = []
        polled = time.monotonic()
        while not stop.is_requested():
            jobs = ready(ends)
            if jobs is None:
                return
            self._wait_for(jobs)
            self._submit()
            ends = []
            if self.active.jobs and time.monotonic() - polled >= self.config.poll_seconds:
                ends = self._ends()
                polled = time.monotonic()
            if not ends:
                time.sleep(READY_SECONDS)
        ready(ends + self._interrupt())

    def _wait_for(self, jobs: Sequence[Job]) -> None:
        """Take jobs. One that came back before waits a while, and longer each time: another run works on it."""
        for job in jobs:
            returns = self._returned[job.name]
            delay = min(LONGEST_DELAY_SECONDS, self.config.poll_seconds * 2 ** (returns - 1)) if returns else 0.0
            self._waiting.append((time.monotonic() + delay, job))

    def _submit(self) -> None:
        """Submit the jobs that are due, as far as slots are free."""
        room, now = self.slots - len(self.active.jobs), time.monotonic()
        if room <= 0 or self.submitter.is_refused:
            return
        due = [job for moment, job in self._waiting if moment <= now][:room]
        if due:
            chosen = {id(job) for job in due}
            self._waiting = [(moment, job) for moment, job in self._waiting if id(job) not in chosen]
            tracked, unsent = self.submitter.submit(due, has_others=bool(self.active.jobs))
            self._waiting = [*((now, job) for job in unsent), *self._waiting]
            for each in tracked:
                self.active.jobs[each.job_id] = each

    def _ends(self) -> list[JobEnd]:
        """Return the ends of jobs. A job that the cluster stopped, and that could not go back by itself, is queued again here."""
        ends = []
        for tracked, end, wants_restart in self.active.ends():
            if wants_restart and self._restarts[tracked.job.name] < self.config.restarts and not stop.is_requested():
                self._restarts[tracked.job.name] += 1
                self._waiting.append((time.monotonic(), tracked.job))
                continue
            if end.death is None:
                self._returned[tracked.job.name] += 1
            ends.append(end)
        return ends

    def _interrupt(self) -> list[JobEnd]:
        """Cancel what is queued and let running jobs save their state; a second request ends them at once."""
        ends: list[JobEnd] = []
        told: set[str] = set()
        pause = min(self.config.poll_seconds, 2.0)
        while self.active.jobs:
            if stop.is_forced():
                return [*ends, *self.active.kill("a second request to stop ended it")]
            self.active.cancel_queued()
            told |= self.active.interrupt(besides=told)
            moment = time.monotonic() + pause
            while time.monotonic() < moment and not stop.is_forced():
                time.sleep(min(READY_SECONDS, pause))
            ends += self._ends()
        return ends
