"""The loop of an executor that has a pool of jobs: they go in as they become ready, and a stop lets them save their state.

For pools on the machines of a cluster, `run_on_cluster` looks at these first. Imports no torch.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from harness.errors import in_one_line
from harness.jobs import Job, JobEnd
from harness.process import stop
from harness.process.signals import death_of
from harness.store.runs_folder import PROBE

POLL_SECONDS = 0.2
Ready = Callable[[Sequence[JobEnd]], Sequence[Job] | None]


class JobPool(Protocol):
    """Jobs that wait, and jobs that run."""

    queue: list[Job]

    @property
    def running(self) -> int:
        """How many jobs run."""
        ...

    def fill(self) -> None:
        """Start queued jobs, as far as there is room."""
        ...

    def ends(self, timeout: float) -> list[JobEnd]:
        """Return the ends of jobs that are over, after `timeout` seconds at most."""
        ...

    def stop(self) -> list[JobEnd]:
        """Let running jobs save their state; forget the jobs that wait. Returns: the ends of jobs that had not begun."""
        ...

    def kill(self) -> list[JobEnd]:
        """End everything at once. Returns: the ends of the jobs that ran."""
        ...


class ClusterPool(JobPool, Protocol):
    """A pool on the machines of a cluster."""

    def look_at_machines(self, folder: Path | None) -> None:
        """Look at the machines before a job starts there. folder: the runs folder.

        Raises: UserError when one of them cannot run jobs.
        """
        ...

    def close(self) -> None:
        """End everything, and the connection."""
        ...


def run_on_cluster(ready: Ready, connect: Callable[[list[Job]], ClusterPool]) -> None:
    """Run jobs on the machines of a cluster, if there are jobs: see `harness.jobs.JobExecutor.run`.

    Args:
        connect: returns the pool, with these first jobs in its queue.
    Raises: UserError when there is no cluster, or one of its machines cannot run jobs.
    """
    jobs = ready([])
    if jobs is None or stop.is_requested():
        return
    pool = connect(list(jobs))
    try:
        pool.look_at_machines(next((job.folder for job in jobs), None))
        run_until_over(ready, pool)
    finally:
        pool.close()


@contextmanager
def mark(folder: Path | None, engine: str) -> Iterator[list[str]]:
    """Write an empty file into a folder for the block, by which other machines show that they see the folder.

    Args:
        folder: None where there is none.
        engine: name of the executor, for the file's name.
    Yields: the path of the file, in a list; an empty list without a folder.
    """
    if folder is None:
        yield []
        return
    path = folder / f"{PROBE}{engine}-{uuid4().hex}"
    path.touch()
    try:
        yield [str(path)]
    finally:
        path.unlink(missing_ok=True)


def end_of_process(job: Job, answer: bytes | None, exit_code: int) -> JobEnd:
    """Return the end of a job that had a process of its own.

    Args:
        answer: pickled (value, death), as in `JobEnd`; None where the process gave none.
        exit_code: of the process; minus the signal's number where one killed it.
    """
    if answer is None:
        return JobEnd(job, death=f"its process died: it {death_of(exit_code)}")
    try:
        value, death = pickle.loads(answer)
    except Exception as error:
        return JobEnd(job, death=f"what it returned cannot be read: {in_one_line(error)}")
    return JobEnd(job, value, death)


def run_until_over(ready: Ready, pool: JobPool) -> None:
    """Run jobs until `ready` says that none is left, or a stop is requested: see `harness.interfaces.JobExecutor.run`."""
    ends: list[JobEnd] = []
    while not stop.is_requested():
        jobs = ready(ends)
        if jobs is None:
            return
        pool.queue.extend(jobs)
        pool.fill()
        ends = pool.ends(POLL_SECONDS)
    ready(ends + _interrupt(pool))


def _interrupt(pool: JobPool) -> list[JobEnd]:
    """Let running jobs save their state; a second request ends them at once."""
    ends = pool.stop()
    while pool.running:
        if stop.is_forced():
            return ends + pool.kill()
        ends += pool.ends(POLL_SECONDS)
    return ends
