"""Run jobs on a Ray cluster, a fresh process for each. Ray decides on which machine, and tries nothing again by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness_ray.cluster import Cluster
from harness_ray.pool import Pool
from harness_ray.settings import RayConfig

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class RayExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: RayConfig) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface. Raises: UserError when there is no cluster, or one of its machines cannot run jobs."""
        jobs = ready([])
        if jobs is None or stop.is_requested():
            return
        pool = Pool(Cluster(self.config), self.config, slots, list(jobs))
        try:
            pool.cluster.look_at_machines(next((job.folder for job in jobs), None))
            self._run_until_over(ready, pool)
        finally:
            pool.close()

    def _run_until_over(self, ready: Ready, pool: Pool) -> None:
        ends: list[JobEnd] = []
        while not stop.is_requested():
            pool.fill()
            ends = pool.ends(POLL_SECONDS)
            more = ready(ends)
            if more is None:
                return
            pool.queue.extend(more)
        ready(self._interrupt(pool))

    def _interrupt(self, pool: Pool) -> list[JobEnd]:
        """Let running jobs save their state; a second request ends them at once."""
        ends = pool.stop()
        while pool.running:
            if stop.is_forced():
                return ends + pool.kill()
            ends += pool.ends(POLL_SECONDS)
        return ends
