"""The result that a job returns. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["finished", "failed", "busy", "interrupted", "refused", "lost", "died"]


@dataclass(frozen=True)
class JobResult:
    """The end of a job.

    Args:
        outcome:
            finished: the job's output or record is on disk, whatever the record says of the cell;
            failed: a base or floor could not be made, and the log says why;
            busy: another process works on the same thing, so ask again later;
            interrupted: the user asked to stop, and the state is saved;
            refused: no job of this run can be done, for the reason in `message`: a full disk, or wrong data;
            lost: a process of the job, which uses several devices, was killed as `message` says; the job can go on;
            died: the job returned nothing, because its process died as `message` says; the executor reports it.
        message: for the user; "" except where a job is refused, lost or died.
    """

    outcome: Outcome
    message: str = ""


FINISHED = JobResult("finished")
FAILED = JobResult("failed")
BUSY = JobResult("busy")
INTERRUPTED = JobResult("interrupted")
