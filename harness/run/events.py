"""Events of a run, which its user reads while the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.interfaces import Job
from harness.run.job_calls import CellJob
from harness.stages.current_records import current_record
from harness.stages.job_result import JobResult
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class RunEvent:
    """A job has ended.

    Args:
        text: one line that says which job, and how it ended.
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
    return f"{job.name}: {_of_result(result) if record is None else _of_record(record)}"


def _of_record(record: Record) -> str:
    values = ", ".join(f"{name} {measured.mean:z.4g}" for name, measured in record.metrics.items())
    details = values or record.reason
    return record.status + (f" ({details})" if details else "")


def _of_result(result: JobResult) -> str:
    if result.outcome == "died":
        return f"failed: {result.message}"
    return "done" if result.outcome == "finished" else result.message or result.outcome
