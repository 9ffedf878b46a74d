"""Run jobs in processes of this machine, a fresh process for each; a process that dies ends its own job and no other."""

from __future__ import annotations

import os

from harness.config import Config
from harness.process import worker
from harness.toolkit.job_pool import Ready, run_until_over
from harness_local.pool import Pool


class LocalExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        os.environ.update(worker.thread_environment())  # before the server's interpreter starts
        pool = Pool(slots)
        try:
            run_until_over(ready, pool)
        finally:
            pool.close()
