"""The jobs of this run that are in the queue, and how each of them ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness_slurm import submissions
from harness_slurm.call import Answer, is_interrupted
from harness_slurm.queues import JobState, Queue

if TYPE_CHECKING:
    from submitit.core.core import Job as SubmititJob

log = logging.getLogger(__name__)
RESULT_SECONDS = 60.0
"""How long the file of a job that completed may take to be seen on a shared folder."""
LATE_SECONDS = 5.0
"""The same for a job that did not complete, and most likely left no file."""
USUAL_REASONS = frozenset(
    {"", "None", "Priority", "Resources", "Dependency", "BeginTime", "JobArrayTaskLimit", "Cleaning", "Prolog", "Reservation"}
)
"""Reasons for which a job waits like every other. The rest may hold it for ever, and is told."""
HELD = "launch failed requeued held"
"""Why Slurm holds a job that a machine could not start, as one that has just come back may not. It would wait for ever."""
RELEASES = 5
"""How often such a job is let go before it counts as one that waits for ever."""
RELEASE_SECONDS = 30.0
"""Time between two releases of a job, in which its machine may recover."""
LOSSES = {
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node did not boot",
    "PREEMPTED": "the cluster took its machine back",
    "REVOKED": "the cluster took its job back",
    "TIMEOUT": "it reached its time limit before its state was saved; raise hours or save_seconds",
    "DEADLINE": "it reached its deadline before its state was saved",
    "GONE": "the queue no longer knows its job, which left no result",
}
"""Ends after which a job is tried again."""
DEATHS = {
    "OUT_OF_MEMORY": "it took more memory than its job has; raise memory_gib",
    "CANCELLED": "somebody cancelled its job in the queue (scancel)",
}


@dataclass
class Tracked:
    """A job in the queue.

    Args:
        folder: of its submission.
        job: what the run handed out; None for a job of an earlier command that this run has not asked for.
        handle: submitit's own view of it, which holds the job's process; None for a job on another machine or of another command.
        over_since: when the queue first said that the job is over, by the monotonic clock.
        releases: how often it was let go after a machine could not start it.
        released_at: when that was last, by the monotonic clock.
    """

    job_id: str
    folder: Path
    _job: Job | None = None
    handle: SubmititJob[object] | None = field(default=None, repr=False)
    over_since: float | None = None
    releases: int = 0
    released_at: float = float("-inf")

    @property
    def job(self) -> Job:
        """The job, once the run has handed it out."""
        assert self._job is not None
        return self._job

    @job.setter
    def job(self, job: Job) -> None:
        self._job = job


class Active:
    """The jobs of this run in the queue."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.jobs: dict[str, Tracked] = {}
        self._running: set[str] = set()
        self._told_reasons: set[str] = set()

    def ends(self) -> Iterator[tuple[Tracked, JobEnd, bool]]:
        """Give the jobs that are over, each with its end, and with whether the cluster stopped it and it wants to start again."""
        states = self.queue.states()
        if states is None:
            return
        self._running = {job_id for job_id, state in states.items() if state.phase == "running" and job_id in self.jobs}
        let_go = self._release_held(states)
        self._tell_reasons([states[job_id] for job_id in self.jobs if job_id in states and job_id not in let_go])
        for tracked in list(self.jobs.values()):
            state = states.get(tracked.job_id, self.queue.unknown)
            if state.phase != "over":
                tracked.over_since = None
            elif (end := self._end(tracked, state)) is not None:
                del self.jobs[tracked.job_id]
                yield tracked, *end

    def _end(self, tracked: Tracked, state: JobState) -> tuple[JobEnd, bool] | None:
        """Return the end of a job that is over; None while its file may still come."""
        if tracked.handle is not None and not tracked.handle.done():
            return None  # it is just ending: the queue no longer sees its command line, and nobody can wait for it yet
        tracked.over_since = tracked.over_since or time.monotonic()
        waited = time.monotonic() - tracked.over_since
        patience = (RESULT_SECONDS if state.name == "COMPLETED" else LATE_SECONDS) if self.queue.is_remote else 0.0
        try:
            result = submissions.result_of(tracked.folder, tracked.job_id)
        except ValueError as error:
            return None if waited < patience else (_refused(tracked) or JobEnd(tracked.job, death=str(error)), False)
        if result is None:
            return None if waited < patience else (_refused(tracked) or _without_result(tracked, state), False)
        return _with_result(tracked, state, *result)

    def _release_held(self, states: Mapping[str, JobState]) -> set[str]:
        """Let jobs go that no machine could start. Returns: the ids of those that were let go, now or a moment ago."""
        held = [job for job_id, job in self.jobs.items() if job_id in states and states[job_id].reason == HELD]
        now, waiting, due = time.monotonic(), set[str](), set[str]()
        for tracked in held:
            if now - tracked.released_at < RELEASE_SECONDS:
                waiting.add(tracked.job_id)
            elif tracked.releases < RELEASES:
                tracked.releases, tracked.released_at = tracked.releases + 1, now
                due.add(tracked.job_id)
        if due:
            log.warning("a machine could not start job %s: back into the queue", ", ".join(sorted(due)))
            self.queue.release(due)
        return waiting | due

    def _tell_reasons(self, states: Collection[JobState]) -> None:
        for reason in {state.reason for state in states if state.phase == "queued"} - USUAL_REASONS - self._told_reasons:
            self._told_reasons.add(reason)
            log.warning("jobs wait in the queue, and may wait for ever: %s", reason)

    def cancel_queued(self) -> None:
        """Take what has not begun out of the queue."""
        self.queue.cancel_queued(self.jobs.keys())

    def interrupt(self, *, besides: Collection[str]) -> set[str]:
        """Tell running jobs to save their state and to end. Returns: the ids of these jobs, without `besides`."""
        ids = {job_id for job_id in self.jobs if job_id in self._running} - set(besides)
        if ids:
            self.queue.interrupt(ids)
        return ids

    def kill(self, reason: str) -> list[JobEnd]:
        """End all jobs at once. Returns: their ends."""
        self.queue.kill(self.jobs.keys())
        ends = [JobEnd(tracked.job, death=f"its process died: {reason}") for tracked in self.jobs.values()]
        self.jobs.clear()
        return ends


def _with_result(tracked: Tracked, state: JobState, outcome: str, value: object) -> tuple[JobEnd, bool]:
    if outcome != "success" or not isinstance(value, Answer):
        return JobEnd(tracked.job, death=f"its process died: {_last_line(str(value))}"), False
    if state.name == "CANCELLED" and is_interrupted(value.value) and not stop.is_requested():
        return JobEnd(tracked.job, death=_named(tracked, DEATHS["CANCELLED"])), False
    return JobEnd(tracked.job, value.value, value.death), value.wants_restart


def _refused(tracked: Tracked) -> JobEnd | None:
    """Return the end of a job that could leave no result because the disk is full; None where it has room."""
    from harness.stages.job_result import JobResult

    fault = submissions.disk_fault(tracked.folder)
    return JobEnd(tracked.job, JobResult("refused", fault)) if fault else None


def _without_result(tracked: Tracked, state: JobState) -> JobEnd:
    if (loss := LOSSES.get(state.name)) is not None:
        return JobEnd(tracked.job, death=_named(tracked, loss), is_lost=True)
    log_file = submissions.log_of(tracked.folder, tracked.job_id)
    place = log_file.relative_to(tracked.folder.parents[2])  # records are published, and no path of a machine with them
    reason = DEATHS.get(state.name, f"its process died ({state.name}; {place} may say why)")
    return JobEnd(tracked.job, death=_named(tracked, reason))


def _named(tracked: Tracked, reason: str) -> str:
    return f"{reason}: job {tracked.job_id}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it left no reason"
