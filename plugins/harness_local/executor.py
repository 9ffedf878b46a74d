"""Run jobs in processes of this machine, a fresh process for each; a process that dies ends its own job and no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from harness.config import Config
from harness.interfaces import Job, JobEnd
from harness.process import stop, worker
from harness_local.pool import Pool

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class LocalExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        os.environ.update(worker.thread_environment())  # before the server's interpreter starts
        pool = Pool(slots)
        try:
            self._run_until_over(ready, pool)
        finally:
            pool.close()

    def _run_until_over(self, ready: Ready, pool: Pool) -> None:
        ends: list[JobEnd] = []
        while not stop.is_requested():
            more = ready(ends)
            if more is None:
                return
            pool.queue.extend(more)
            pool.fill()
            ends = pool.ends(POLL_SECONDS)
        ready(ends + self._interrupt(pool))

    def _interrupt(self, pool: Pool) -> list[JobEnd]:
        """Let running jobs save their state; a second request ends them at once."""
        ends = pool.stop()
        while pool.running:
            if stop.is_forced():
                return ends + pool.kill()
            ends += pool.ends(POLL_SECONDS)
        return ends
