"""The loop of an executor that has a pool of jobs: they go in as they become ready, and a stop lets them save their state.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from harness.interfaces import Job, JobEnd
from harness.process import stop

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class JobPool(Protocol):
    """Jobs that wait, and jobs that run."""

    queue: list[Job]

    @property
    def running(self) -> int:
        """How many jobs run."""
        ...

    def fill(self) -> None:
        """Start queued jobs, as far as there is room."""
        ...

    def ends(self, timeout: float) -> list[JobEnd]:
        """Return the ends of jobs that are over, after `timeout` seconds at most."""
        ...

    def stop(self) -> list[JobEnd]:
        """Let running jobs save their state; forget the jobs that wait. Returns: the ends of jobs that had not begun."""
        ...

    def kill(self) -> list[JobEnd]:
        """End everything at once. Returns: the ends of the jobs that ran."""
        ...


def run_until_over(ready: Ready, pool: JobPool) -> None:
    """Run jobs until `ready` says that none is left, or a stop is requested: see `harness.interfaces.JobExecutor.run`."""
    ends: list[JobEnd] = []
    while not stop.is_requested():
        jobs = ready(ends)
        if jobs is None:
            return
        pool.queue.extend(jobs)
        pool.fill()
        ends = pool.ends(POLL_SECONDS)
    ready(ends + _interrupt(pool))


def _interrupt(pool: JobPool) -> list[JobEnd]:
    """Let running jobs save their state; a second request ends them at once."""
    ends = pool.stop()
    while pool.running:
        if stop.is_forced():
            return ends + pool.kill()
        ends += pool.ends(POLL_SECONDS)
    return ends
