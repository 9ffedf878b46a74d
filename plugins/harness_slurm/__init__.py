"""Executor `slurm`: each job of a board is a job of a Slurm cluster, submitted through submitit."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Executor, hookimpl
from harness_slurm.settings import SlurmConfig

__version__ = "1"


@hookimpl
def harness_executors() -> Sequence[Executor]:
    """Provide the executor."""
    return [
        Executor(
            "slurm",
            build="harness_slurm.executor:SlurmExecutor",
            config=SlurmConfig,
            # The queue of this machine, for checks on machines without Slurm.
            smoke={"cluster": "local", "poll_seconds": 0.2},
            summary="jobs of a Slurm cluster, in arrays; the command can be left, and another one finds them again",
            check_ready="harness_slurm.settings:check_ready",
            packages={"submitit": 'pip install "finetune-harness[slurm]"'},
            has_queue=True,
        )
    ]
