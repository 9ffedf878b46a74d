"""Run jobs on a Dask cluster, a fresh process for each. Dask decides on which worker."""

from __future__ import annotations

from harness.process import stop
from harness.toolkit.job_pool import Ready, run_until_over
from harness_dask.cluster import Cluster
from harness_dask.pool import Pool
from harness_dask.settings import DaskConfig


class DaskExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: DaskConfig) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface. Raises: UserError when there is no cluster, or one of its workers cannot run jobs."""
        jobs = ready([])
        if jobs is None or stop.is_requested():
            return
        pool = Pool(Cluster(self.config), self.config, slots, list(jobs))
        try:
            pool.cluster.look_at_workers(next((job.folder for job in jobs), None))
            run_until_over(ready, pool)
        finally:
            pool.close()
