"""The processes of this machine in the place of a cluster's queue: submitit's local executor, whose job ids are process ids."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from harness_slurm.queues import JobState
from harness_slurm.settings import SlurmConfig, local_parameters

if TYPE_CHECKING:
    from submitit.core.core import PicklingExecutor

    from harness.interfaces import Resources

CONTROLLER = "submitit.local._local"
"""Module of the process that starts a job's process, and starts it again when the job wants that."""


class LocalQueue:
    """Implements `harness_slurm.queues.Queue`.

    Args:
        folder: the folder of all submissions; the comment of a job is the name of its folder below this one.
    """

    unknown = JobState("over", "ENDED")
    is_remote = False

    def __init__(self, config: SlurmConfig, folder: Path) -> None:
        self.config, self.folder = config, folder.absolute()

    def submitter(self, folder: Path, resources: Resources, comment: str) -> PicklingExecutor:
        """See `Queue`."""
        import submitit

        executor = submitit.LocalExecutor(folder, max_num_timeout=self.config.restarts, python=self.config.python)
        executor.update_parameters(**local_parameters(self.config, resources))
        return executor

    def states(self) -> Mapping[str, JobState]:
        """See `Queue`."""
        return {str(process.pid): JobState("running", "RUNNING", comment=comment) for process, comment in self._controllers()}

    def _controllers(self) -> Iterator[tuple[psutil.Process, str]]:
        """Give the processes of jobs, and the names of their folders."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()  # empty for a process that has ended and that nobody waited for
                if words[1:3] == ["-m", CONTROLLER] and Path(words[3]).parent == self.folder:
                    yield process, Path(words[3]).name

    def cancel_queued(self, ids: Collection[str]) -> None:
        """See `Queue`: nothing waits here."""

    def interrupt(self, ids: Collection[str]) -> None:
        """See `Queue`. The process above a job would give it one second."""
        for process in self._jobs(ids):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT)

    def kill(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        for process in self._jobs(ids, with_controllers=True):
            with suppress(psutil.Error):
                process.kill()

    def release(self, ids: Collection[str]) -> None:
        """Do nothing: no job is held."""

    def _jobs(self, ids: Collection[str], *, with_controllers: bool = False) -> Iterator[psutil.Process]:
        for controller, _ in self._controllers():
            if str(controller.pid) in ids:
                if with_controllers:
                    yield controller
                with suppress(psutil.Error):
                    yield from controller.children(recursive=True) if with_controllers else controller.children()
