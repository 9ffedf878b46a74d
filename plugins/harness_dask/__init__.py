"""Executor `dask`: jobs on the workers of a Dask cluster, or in threads of the command that each supervise a process."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Executor, hookimpl
from harness_dask.settings import DaskConfig

__version__ = "1"


@hookimpl
def harness_executors() -> Sequence[Executor]:
    """Provide the executor."""
    return [
        Executor(
            "dask",
            config=DaskConfig,
            build="harness_dask.executor:DaskExecutor",
            summary="the workers of a Dask cluster, one process a job; without an address, processes of this machine",
            has_queue=True,
            packages={"distributed": 'pip install "finetune-harness[dask]"'},
        )
    ]
