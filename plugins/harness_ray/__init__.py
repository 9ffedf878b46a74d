"""Executor `ray`: jobs on the machines of a Ray cluster, or of one that the run starts on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Executor, hookimpl
from harness_ray.settings import RayConfig

__version__ = "1"


@hookimpl
def harness_executors() -> Sequence[Executor]:
    """Provide the executor."""
    return [
        Executor(
            "ray",
            config=RayConfig,
            build="harness_ray.executor:RayExecutor",
            summary="the machines of a Ray cluster, one process a job; without an address, a cluster on this machine",
            has_queue=True,
            packages={"ray": 'pip install "finetune-harness[ray]"'},
        )
    ]
