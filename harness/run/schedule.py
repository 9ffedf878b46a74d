"""The order of a run's jobs: bases and floors at once, each cell after the job of its base has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness.run.busy_jobs import BusyJobs
from harness.run.events import OnEvent, RunEvent, describe_end, describe_wait
from harness.run.job_calls import BaseJob, CellJob, FloorJob
from harness.stages.current_records import current_record
from harness.stages.job_result import JobResult
from harness.stages.record import save_unrun
from harness.store import job_log
from harness.store.cancels import Cancels
from harness.store.runs_folder import RunsFolder

J = TypeVar("J", bound=Job)
MOST_INTERRUPTIONS = 3
"""How often a job may be told to stop by somebody else than the user of the run. Then it counts as dead."""
MOST_LOSSES = 3
"""How often a job whose machine went away is handed out again. Then it counts as dead."""


class Schedule:
    """Hands jobs to an executor and takes their ends.

    A job that another process works on is handed out again when it is free: see `BusyJobs`. A job that stopped although this
    process was not told to (a cluster manager sent SIGTERM to its worker) is handed out again at once, a few times, and so is a
    job whose machine went away (`JobEnd.is_lost`), or which lost one of its processes. A job that raised or died by itself is
    not. After a refused job (the disk is full, or the data are wrong: see `JobResult`) no further job is handed out, and `ready`
    returns None as soon as the running jobs have ended.

    A job that somebody asks to stop with `harness cancel` is over. Where all are asked to stop, it is as if the user of the run
    had asked.

    Args:
        bases: the jobs of bases.
        cells: each is handed out after the job of its base has ended, well or not; at once where its base has no job here.
        cancels: the requests to stop that concern this run; None where nobody can ask it.
    """

    def __init__(
        self,
        bases: Sequence[BaseJob],
        floors: Sequence[FloorJob],
        cells: Sequence[CellJob],
        runs: RunsFolder,
        on_event: OnEvent,
        cancels: Cancels | None = None,
    ) -> None:
        self._layout, self._on_event = runs, on_event
        self._new: list[Job] = [*bases, *floors]
        self._waiting: dict[str, list[CellJob]] = {job.base.key: [] for job in bases}
        for job in cells:
            self._waiting.get(job.cell.base.key, self._new).append(job)
        self._busy = BusyJobs(runs)
        self._interruptions: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._cancels = cancels
        self._has_told_wait = False
        self._running = 0
        self._ended = 0
        self.total = len(bases) + len(floors) + len(cells)
        self.refusals: list[str] = []
        """Why jobs were refused; all have the same cause."""

    @property
    def is_over(self) -> bool:
        """True when every job has ended."""
        return self._ended == self.total

    def ready(self, ends: Sequence[JobEnd]) -> Sequence[Job] | None:
        """Take the ends of jobs and return new jobs; None when the run is over. An executor calls it again and again."""
        for end in ends:
            self._running -= 1
            self._take_end(end)
        self._look_for_cancels()
        if self.refusals:
            return [] if self._running else None
        jobs = [*self._new, *self._busy.due()]
        self._new = []
        self._running += len(jobs)
        if self._busy and not self._running:
            self._tell_wait()
        return jobs if jobs or self._running or self._busy else None

    def _take_end(self, end: JobEnd) -> None:
        result = _result(end)
        if self._takes_unfinished(end.job, result):
            return
        if end.is_lost or result.outcome == "lost":
            if self._starts_again_after_loss(end.job, result.message):
                return
            result = JobResult("died", result.message)
        if result.outcome == "interrupted":
            self._interruptions[end.job.name] += 1
            if self._interruptions[end.job.name] < MOST_INTERRUPTIONS:
                self._new.append(end.job)
                self._tell(f"{end.job.name}: its worker was told to stop, and this run was not; the job starts again")
                return
            result = JobResult("died", f"its worker was told to stop {MOST_INTERRUPTIONS} times (SIGTERM?), and this run was not")
        self._ended += 1
        if result.outcome == "died":
            self._save_death(end.job, result.message)
        elif result.outcome == "refused":
            self.refusals.append(result.message)
        if isinstance(end.job, BaseJob):
            self._new += self._waiting.pop(end.job.base.key)
        self._tell(describe_end(end.job, result, self._layout))

    def _takes_unfinished(self, job: Job, result: JobResult) -> bool:
        """Take the end of a job that another process works on, or that somebody asked to stop. Returns: whether it is one."""
        if result.outcome == "busy":
            self._busy.add(job)
            return True
        if result.outcome in ("interrupted", "lost", "died") and stop.is_requested():
            return True
        if result.outcome == "interrupted" and self._is_cancelled(job):
            self._end_cancelled(job)
            return True
        return False

    def _starts_again_after_loss(self, job: Job, loss: str) -> bool:
        """Hand a job out again whose machine went away, or a process of which was killed, unless that happened too often.

        Returns: whether it starts again.
        """
        self._losses[job.name] += 1
        if self._losses[job.name] > MOST_LOSSES:
            return False
        self._new.append(job)
        self._tell(f"{job.name}: {loss}; the job starts again")
        return True

    @property
    def cancelled_by(self) -> str:
        """Who asked all jobs to stop; "" where nobody did."""
        request = None if self._cancels is None else self._cancels.of_all
        return "" if request is None else request.by

    def _look_for_cancels(self) -> None:
        if self._cancels is None or not self._cancels.look_now_and_then():
            return
        if self._cancels.of_all is not None:
            stop.request()
            return
        for base, jobs in self._waiting.items():
            self._waiting[base] = self._without_cancelled(jobs)
        new, self._new = self._new, []
        self._new += self._without_cancelled(new)

    def _without_cancelled(self, jobs: Sequence[J]) -> list[J]:
        """Return the jobs that nobody asks to stop. The others are over."""
        kept = []
        for job in jobs:
            if self._cancels is not None and self._cancels.of_job(job.name) is not None:
                self._end_cancelled(job)
            else:
                kept.append(job)
        return kept

    def _is_cancelled(self, job: Job) -> bool:
        """Return whether somebody asks a job to stop that has stopped. Its worker may have seen it before this process."""
        if self._cancels is None:
            return False
        self._cancels.look()
        return self._cancels.of_job(job.name) is not None

    def _end_cancelled(self, job: Job) -> None:
        self._ended += 1
        if isinstance(job, BaseJob):
            self._new += self._without_cancelled(self._waiting.pop(job.base.key))
        request = None if self._cancels is None else self._cancels.of_job(job.name)
        self._tell(f"{job.name}: cancelled{f' by {request.by}' if request else ''}; run it again to go on")

    def _tell_wait(self) -> None:
        """Say once whom the run waits for: until the others have ended, it has nothing else to show."""
        if not self._has_told_wait:
            self._has_told_wait = True
            self._tell(describe_wait(self._busy.jobs, self._layout))

    def _tell(self, text: str) -> None:
        self._on_event(RunEvent(text, self._ended, self.total))

    def _save_death(self, job: Job, death: str) -> None:
        """Write a failed record of a cell whose process died, unless the cell has a current record that did not fail."""
        if isinstance(job, CellJob):
            record = current_record(job.cell, self._layout)
            job_log.append(self._layout.job_log(job.cell.board, "cell", job.cell.name), f"its process died: {death}")
            if record is None or record.status == "failed":
                save_unrun(job.cell, self._layout, "failed", death)


def _result(end: JobEnd) -> JobResult:
    if end.death is not None:
        return JobResult("died", end.death)
    if not isinstance(end.value, JobResult):
        raise TypeError(f"the executor says that {end.job.name} returned {end.value!r}; its function returns a JobResult")
    return end.value
