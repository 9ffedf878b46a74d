"""Submitting jobs in arrays, and finding those that an earlier command has submitted."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.interfaces import Job, Resources
from harness_slurm import submissions
from harness_slurm.active import Tracked
from harness_slurm.call import QueuedCall
from harness_slurm.queues import Queue, fault_of
from harness_slurm.settings import SlurmConfig
from harness_slurm.submissions import Submission, key_of

log = logging.getLogger(__name__)
REFUSED_SECONDS = 60.0
"""Time before jobs that the queue refused are submitted again, while others of this run are in the queue."""


class Submitter:
    """Submits jobs.

    Args:
        root: the folder of all submissions.
    """

    def __init__(self, config: SlurmConfig, queue: Queue, root: Path) -> None:
        self.config, self.queue, self.root = config, queue, root
        self._earlier: dict[str, Tracked] = {}
        self._refused_until = 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the queue has just refused jobs, so that it is left alone for a while."""
        return time.monotonic() < self._refused_until

    def find_earlier(self) -> None:
        """Look for jobs that an earlier command has submitted and that are not over. Raises: UserError for a silent queue."""
        earlier = list(submissions.found(self.root))
        if not earlier:
            return
        states = self.queue.states()
        if states is None:
            raise UserError(
                "executor slurm: squeue gives no answer; jobs of an earlier run may be in the queue, so try again later"
            )
        alive = {job_id: state for job_id, state in states.items() if state.phase != "over"}
        for submission in earlier:
            ids = submission.ids or ()
            if submission.is_abandoned:
                # The command died between two lines: some of its jobs lack their files, so none of them counts.
                token = submission.folder.name
                self.queue.kill([job_id for job_id, state in alive.items() if state.comment == token])
                submission.remove()
            elif not alive.keys() & set(ids):
                submissions.remove_old(submission)
            for key, job_id in zip(submission.keys, ids, strict=False):
                if job_id in alive:
                    self._earlier[key] = Tracked(job_id, submission.folder)

    def submit(self, jobs: Sequence[Job], *, has_others: bool) -> tuple[list[Tracked], list[Job]]:
        """Submit jobs that are in the queue of no earlier command.

        Args:
            has_others: whether other jobs of this run are in the queue. Then a refusal may be a limit, and is no fault.
        Returns: the jobs that are in the queue now, and those that the queue refused. Raises: UserError when it refuses all.
        """
        tracked, new = [], []
        for job in jobs:
            if (earlier := self._earlier.pop(key_of(job), None)) is not None:
                earlier.job = job
                tracked.append(earlier)
                log.info("%s: an earlier run has submitted it; it is job %s", job.name, earlier.job_id)
            else:
                new.append(job)
        unsent: list[Job] = []
        for chunk in self._chunks(new):
            if self.is_refused:
                unsent += chunk
                continue
            try:
                tracked += self._submit(chunk)
            except _Refused as error:
                if not (has_others or tracked):
                    raise UserError(f"executor slurm: the queue takes no jobs: {error}") from None
                log.warning("the queue takes no more jobs now, and is asked again in a minute: %s", error)
                self._refused_until = time.monotonic() + REFUSED_SECONDS
                unsent += chunk
        return tracked, unsent

    def _chunks(self, jobs: Sequence[Job]) -> Iterator[list[Job]]:
        """Give jobs that can share an array: those with the same resources."""
        by_resources: dict[Resources, list[Job]] = {}
        for job in jobs:
            by_resources.setdefault(job.resources, []).append(job)
        for alike in by_resources.values():
            for start in range(0, len(alike), self.config.array_size):
                yield alike[start : start + self.config.array_size]

    def _submit(self, jobs: Sequence[Job]) -> list[Tracked]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        calls = [QueuedCall(pickle.dumps((job.function, job.arguments)), self.config.save_seconds) for job in jobs]
        submission = Submission.planned(self.root, jobs)
        try:
            executor = self.queue.submitter(submission.folder, jobs[0].resources, submission.folder.name)
            handles = executor.submit_array(calls)
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            submission.remove()
            raise _Refused(fault_of(error)) from error
        submission = submission.submitted([handle.job_id for handle in handles])
        # submitit asks Slurm's sacct about its handles; those of this machine hold the processes that somebody must wait for.
        kept = [None if self.queue.is_remote else handle for handle in handles]
        folder, ids = submission.folder, [handle.job_id for handle in handles]
        return [Tracked(job_id, folder, job, handle) for job_id, job, handle in zip(ids, jobs, kept, strict=True)]


class _Refused(Exception):
    """The queue did not take the jobs."""
