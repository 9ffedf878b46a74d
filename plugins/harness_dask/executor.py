"""Run jobs on a Dask cluster, a fresh process for each. Dask decides on which worker."""

from __future__ import annotations

from harness.toolkit.job_pool import Ready, run_on_cluster
from harness_dask.cluster import Cluster
from harness_dask.pool import Pool
from harness_dask.settings import DaskConfig


class DaskExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: DaskConfig) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface. Raises: UserError when there is no cluster, or one of its workers cannot run jobs."""
        run_on_cluster(ready, lambda jobs: Pool(Cluster(self.config), self.config, slots, jobs))
