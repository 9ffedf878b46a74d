"""Run jobs on a Ray cluster, a fresh process for each. Ray decides on which machine, and tries nothing again by itself."""

from __future__ import annotations

from harness.toolkit.job_pool import Ready, run_on_cluster
from harness_ray.cluster import Cluster
from harness_ray.pool import Pool
from harness_ray.settings import RayConfig


class RayExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: RayConfig) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface. Raises: UserError when there is no cluster, or one of its machines cannot run jobs."""
        run_on_cluster(ready, lambda jobs: Pool(Cluster(self.config), self.config, slots, jobs))
