"""Run jobs in processes of this machine, a fresh one for each unless the user says otherwise.

A process that dies ends its own job and no other.
"""

from __future__ import annotations

import os

from harness.process import worker
from harness.toolkit.job_pool import Ready, run_until_over
from harness_local.pool import Pool
from harness_local.settings import LocalConfig


class LocalExecutor:
    """Implements `harness.interfaces.JobExecutor`."""

    def __init__(self, config: LocalConfig) -> None:
        self.config = config

    def run(self, ready: Ready, *, slots: int) -> None:
        """See the interface."""
        os.environ.update(worker.thread_environment())  # before the server's interpreter starts
        pool = Pool(slots, self.config.reuse)
        try:
            run_until_over(ready, pool)
        finally:
            pool.close()
