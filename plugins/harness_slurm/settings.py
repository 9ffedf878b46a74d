"""Settings of the executor, and what submitit gets for them. Imports no submitit."""

from __future__ import annotations

import os
import shutil
from math import ceil
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from harness import Config
from harness.errors import UserError
from harness.interfaces import Resources
from harness.process.worker import THREADS

DEFAULT_HOURS = 4.0
"""A limit that most partitions allow. A job that needs longer saves its state there, and goes on in the queue."""


class SlurmConfig(Config):
    """Settings of `slurm`. Those of a job's size (gpus, cpus, memory_gib, hours) hold where nobody asks for something else."""

    cluster: Literal["slurm", "local"] = Field(
        "slurm",
        description="`local` runs the jobs in processes of this machine through the same code, to try a setup without a cluster",
    )
    partition: str | None = Field(None, description="partition; by default the cluster's")
    account: str | None = Field(None, description="account that pays")
    qos: str | None = Field(None, description="quality of service")
    gpus: int = Field(0, ge=0, description="cards of a job")
    cpus: PositiveInt = Field(1, description="cores of a job; `OMP_NUM_THREADS` says how many of them one job computes with")
    memory_gib: PositiveFloat | None = Field(None, description="main memory of a job, in GiB; by default the cluster's")
    hours: PositiveFloat = Field(
        DEFAULT_HOURS, description="time limit of one start of a job; a job that reaches it saves its state and is queued again"
    )
    array_size: int = Field(500, ge=1, description="jobs of an array, at most; the cluster's MaxArraySize bounds it")
    array_parallelism: int = Field(10_000, ge=1, description="jobs of an array that run at once, at most")
    max_queued: int = Field(
        2_000, ge=1, description="jobs in the queue at once, at most; the others are submitted when these have ended"
    )
    setup: list[str] = Field(
        [], description="lines of the shell before Python starts, such as `module load cuda`; not with `local`"
    )
    python: str | None = Field(None, description="command that starts Python on the nodes; by default the Python of this command")
    container: str | None = Field(
        None, description="image for `srun --container-image` (pyxis): the path of a .sqsh file or `registry#image:tag`"
    )
    container_mounts: list[str] = Field(
        [], description="folders for `srun --container-mounts`; this folder and the runs folder must be among them"
    )
    srun: list[str] = Field([], description="further arguments of srun")
    extra: dict[str, str | int | bool] = Field(
        {}, description="further options of sbatch without their dashes: `{constraint: a100, mail-type: END}`"
    )
    save_seconds: int = Field(
        120, ge=10, description="seconds before the time limit at which a job is told to save its state and to be queued again"
    )
    restarts: int = Field(100, ge=0, description="how often a job may reach its time limit")
    poll_seconds: PositiveFloat = Field(10.0, description="seconds between two calls of squeue, one for all jobs")

    @property
    def default_resources(self) -> Resources:
        """The resources of a job for which nobody asks for something."""
        return Resources(self.gpus, self.cpus, self.memory_gib, self.hours)


def check_ready(config: Config) -> None:
    """Raises: UserError where jobs shall go to Slurm and this machine has no Slurm."""
    assert isinstance(config, SlurmConfig)
    if config.cluster == "slurm":
        absent = [command for command in ("sbatch", "squeue", "scancel", "srun") if shutil.which(command) is None]
        if absent:
            raise UserError(
                f"executor slurm: no {absent[0]} on this machine; run the command on a login node of the cluster, or try it here "
                "with --set slurm.cluster=local"
            )


def slurm_parameters(config: SlurmConfig, resources: Resources, *, job_name: str, comment: str) -> dict[str, object]:
    """Return the parameters of `submitit.SlurmExecutor.update_parameters` for jobs with these resources."""
    wanted = resources.over(config.default_resources)
    parameters: dict[str, object] = {
        "job_name": job_name,
        "comment": comment,
        "time": _minutes(wanted),
        "cpus_per_task": wanted.cpus,
        "gpus_per_node": wanted.gpus or None,
        "mem": None if wanted.memory_gib is None else f"{ceil(wanted.memory_gib * 1024)}M",
        "partition": config.partition,
        "account": config.account,
        "qos": config.qos,
        "array_parallelism": config.array_parallelism,
        "signal_delay_s": min(config.save_seconds, _minutes(wanted) * 60 // 4),  # a short job has time for its work too
        "setup": [*_threads(), *config.setup],
        "srun_args": _srun_arguments(config) or None,
        # Slurm queues a job again by itself when its node fails.
        "additional_parameters": {"requeue": True, **config.extra},
    }
    return {name: value for name, value in parameters.items() if value is not None}


def local_parameters(config: SlurmConfig, resources: Resources) -> dict[str, object]:
    """Return the parameters of `submitit.LocalExecutor.update_parameters`. Processes of this machine have no limit but time."""
    minutes = _minutes(resources.over(config.default_resources))
    # Without the lines of `setup`: with them submitit starts a shell, whose id would stand for the job.
    return {"timeout_min": minutes, "signal_delay_s": config.save_seconds}


def _minutes(resources: Resources) -> int:
    assert resources.hours is not None
    return max(1, ceil(resources.hours * 60))


def _threads() -> list[str]:
    """Lines that set the number of threads before Python imports NumPy, as the command's own environment would."""
    return [f"export {name}=${{{name}:-{os.environ.get(name, '1')}}}" for name in THREADS]


def _srun_arguments(config: SlurmConfig) -> list[str]:
    container = [] if config.container is None else [f"--container-image={config.container}"]
    mounts = [f"--container-mounts={','.join(config.container_mounts)}"] if config.container_mounts else []
    return [*container, *mounts, *config.srun]
