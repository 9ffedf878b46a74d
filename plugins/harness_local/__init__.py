"""Executor `local`: cells side by side in processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Executor, hookimpl
from harness_local.settings import LocalConfig

__version__ = "1"


@hookimpl
def harness_executors() -> Sequence[Executor]:
    """Provide the executor."""
    return [
        Executor(
            "local",
            build="harness_local.executor:LocalExecutor",
            config=LocalConfig,
            summary="processes on this machine, one job each",
            is_default=True,
        )
    ]
