"""The queue of a cluster as the executor sees it: the state of each job in one call, and signals to jobs."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from harness_slurm.settings import SlurmConfig, slurm_parameters

if TYPE_CHECKING:
    from submitit.core.core import PicklingExecutor

    from harness.interfaces import Resources

log = logging.getLogger(__name__)
COMMAND_SECONDS = 120.0
IDS_AT_ONCE = 500
"""Ids of jobs on one command line."""
Phase = Literal["queued", "running", "over"]


@dataclass(frozen=True)
class JobState:
    """The state of a job in its queue.

    Args:
        name: as the queue has it, such as `RUNNING` or `NODE_FAIL`.
        reason: why a queued job waits, in one word of the queue; "" where it says nothing.
        comment: what the job was submitted with.
    """

    phase: Phase
    name: str
    reason: str = ""
    comment: str = ""


class Queue(Protocol):
    """A queue of a cluster, as the executor needs it. Ids are those of submitit: `4711`, and in an array `4711_3`."""

    unknown: JobState
    """The state of a job that the queue does not know, or knows no more."""
    is_remote: bool
    """Whether jobs run on other machines, whose files are seen here some time after they were written."""

    def submitter(self, folder: Path, resources: Resources, comment: str) -> PicklingExecutor:
        """Return submitit's executor for jobs with these resources, whose files stand in `folder`."""
        ...

    def states(self) -> Mapping[str, JobState] | None:
        """Return the state of each job that the queue still knows, by id; None where it does not answer now."""
        ...

    def cancel_queued(self, ids: Collection[str]) -> None:
        """Take these jobs out of the queue, unless they run."""
        ...

    def interrupt(self, ids: Collection[str]) -> None:
        """Send SIGINT to these jobs, so that they save their state and end."""
        ...

    def kill(self, ids: Collection[str]) -> None:
        """End these jobs at once."""
        ...

    def release(self, ids: Collection[str]) -> None:
        """Let these jobs, which the queue holds, wait for a machine again."""
        ...


QUEUED = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING", "RESV_DEL_HOLD"})
RUNNING = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"})


class SlurmQueue:
    """Slurm's queue, asked by squeue alone: clusters without accounting have no sacct, and submitit then knows no state.

    squeue knows a job for some minutes after its end (MinJobAge).

    Args:
        job_name: the name of all jobs of this runs folder.
    """

    unknown = JobState("over", "GONE")
    is_remote = True

    def __init__(self, config: SlurmConfig, job_name: str) -> None:
        self.config, self.job_name = config, job_name
        self._is_silent = False

    def submitter(self, folder: Path, resources: Resources, comment: str) -> PicklingExecutor:
        """See `Queue`."""
        import submitit

        executor = submitit.SlurmExecutor(folder, max_num_timeout=self.config.restarts, python=self.config.python)
        executor.update_parameters(**slurm_parameters(self.config, resources, job_name=self.job_name, comment=comment))
        return executor

    def states(self) -> Mapping[str, JobState] | None:
        """See `Queue`."""
        command = ["squeue", "--me", "-h", "-r", "-t", "all", "-n", self.job_name, "-o", "%i|%T|%r|%k"]
        try:
            output = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            if not self._is_silent:
                log.warning("squeue gives no answer, and is asked again: %s", fault_of(error))
            self._is_silent = True
            return None
        self._is_silent = False
        return parse_states(output.splitlines())

    def cancel_queued(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        self._scancel(ids, "--state=PENDING")

    def interrupt(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        self._scancel(ids, "--signal=INT")

    def kill(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        self._scancel(ids)

    def release(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        for job_id in sorted(ids):
            done = _ask(["scontrol", "release", job_id])
            if done is not None and done.returncode:
                log.warning("scontrol does not release job %s: %s", job_id, done.stderr.strip())

    def _scancel(self, ids: Collection[str], *options: str) -> None:
        names = sorted(ids)
        for start in range(0, len(names), IDS_AT_ONCE):
            _ask(["scancel", "--quiet", *options, *names[start : start + IDS_AT_ONCE]])


def _ask(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """Run a command of Slurm. Returns: what it said; None, with a warning, where it gives no answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("%s gives no answer: %s", command[0], fault_of(error))
        return None


def parse_states(lines: Iterable[str]) -> dict[str, JobState]:
    """Return the states in the lines of squeue, `id|state|reason|comment`, by id."""
    states = {}
    for line in lines:
        job_id, name, reason, comment = (field.strip() for field in line.split("|", 3))
        phase: Phase = "queued" if name in QUEUED else "running" if name in RUNNING else "over"
        states[job_id] = JobState(phase, name, reason, comment)
    return states


def fault_of(error: Exception) -> str:
    """Return what a command said when it failed, in one line."""
    text = getattr(error, "stderr", None) or str(error)
    lines: Sequence[str] = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
