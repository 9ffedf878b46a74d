"""Events of a run, which its user reads while the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.interfaces import Job
from harness.process.host import here
from harness.run.job_calls import BaseJob, CellJob, FloorJob
from harness.stages.current_records import current_record
from harness.stages.job_result import JobResult
from harness.store.progress import read
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class RunEvent:
    """A job has ended or starts again, or the run waits for another run.

    Args:
        text: one line that says which job, and how it ended; or why it starts again, or whom the run waits for.
        ended: how many jobs are over, this one included.
        total: how many jobs the run has.
    """

    text: str
    ended: int
    total: int


OnEvent = Callable[[RunEvent], None]


def describe_end(job: Job, result: JobResult, runs: RunsFolder) -> str:
    """Return a line such as `ddpm-10/ddo/s0: done (w2 0.0247)`, or `base ddpm-10: failed`."""
    record = current_record(job.cell, runs) if isinstance(job, CellJob) and result.outcome != "died" else None
    return f"{job.name}: {_of_result(result) if record is None else of_record(record)}"


def describe_wait(jobs: Sequence[Job], runs: RunsFolder) -> str:
    """Return a line such as `waiting for ddpm-10/ddo/s0 and 2 more, on which another run works (process 4711)`."""
    named = {_progress_name(job) for job in jobs}
    found = {(progress.host, progress.pid) for progress in read(runs) if progress.job in named}
    processes = [f"{pid}" if host == here().name else f"{pid} on {host}" for host, pid in sorted(found)]
    others = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    label = "process" if len(processes) == 1 else "processes"
    known = f" ({label} {', '.join(processes)})" if processes else ""  # one that says nothing yet
    return f"waiting for {jobs[0].name}{others}, on which another run works{known}"


def _progress_name(job: Job) -> str:
    """Return the name under which a process that works on the job reports its progress."""
    match job:
        case BaseJob():
            return job.base.full_name
        case FloorJob():
            return f"floor/{job.floor.name}"
        case _:
            return job.name


def of_record(record: Record) -> str:
    """Return what a line says of a cell with this record: `done (w2 0.0247)`."""
    values = ", ".join(f"{name} {measured.mean:z.4g}" for name, measured in record.metrics.items())
    details = values or record.reason
    return record.status + (f" ({details})" if details else "")


def _of_result(result: JobResult) -> str:
    if result.outcome == "died":
        return f"failed: {result.message}"
    return "done" if result.outcome == "finished" else result.message or result.outcome
