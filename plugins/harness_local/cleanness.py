"""Whether a process can be forked for jobs: what importing a package has changed in it that every fork would have, or lack."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.process import global_state, worker

MAPS = Path("/proc/self/maps")
"""The libraries of this process, on Linux."""
TASKS = Path("/proc/self/task")
"""The threads of this process, on Linux, those of compiled libraries included."""


@dataclass(frozen=True)
class Cleanness:
    """State of a process before it imported packages.

    Args:
        environment: the environment variables.
        threads: how many threads there were.
        has_cuda: whether CUDA's driver was loaded.
    """

    state: global_state.GlobalState
    environment: Mapping[str, str]
    threads: int
    has_cuda: bool

    def changes(self) -> list[str]:
        """Return a phrase for each thing that differs now. The global generators are put back first."""
        for restore in self.state.restore_generators:
            restore()  # each job seeds them anew
        changed = global_state.changes(self.state) + global_state.environment_changes(self.environment)
        if _threads() > self.threads:
            changed.append("its threads, which no fork has")
        if has_cuda_driver() and not self.has_cuda:
            changed.append("CUDA: its driver is loaded, which cannot be forked")
        return changed


def note() -> Cleanness:
    """Return how the process is now."""
    return Cleanness(global_state.snapshot(), dict(os.environ), _threads(), has_cuda_driver())


def _threads() -> int:
    """Return how many threads there are. Those of BLAS can be forked: where the user wants several, Python's alone count."""
    if any(value != "1" for value in worker.thread_environment().values()):
        return threading.active_count()
    try:
        return len(os.listdir(TASKS))
    except OSError:
        return threading.active_count()


def has_cuda_driver() -> bool:
    """Return whether the driver of NVIDIA's cards is in this process: no fork of it could use a card."""
    try:
        return "/libcuda.so" in MAPS.read_text()
    except OSError:
        return False
