"""Jobs of a run, and the executors that run them: names that `harness.interfaces` has too. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Resources:
    """Demands of a job on the machine that runs it; a field that is None asks for nothing, and the executor's own value holds.

    Resources say where a job can run. They are no part of what it computes, and of no key.

    Args:
        gpus: cards, at least 0.
        cpus: cores, at least 1.
        memory_gib: main memory in GiB, above 0.
        hours: longest time of one start of the job, above 0. A job that is stopped there goes on from its checkpoint when it
            is started again.
    """

    gpus: int | None = None
    cpus: int | None = None
    memory_gib: float | None = None
    hours: float | None = None

    def over(self, others: Resources) -> Resources:
        """Return these resources, with those of `others` where these are None."""
        return Resources(
            others.gpus if self.gpus is None else self.gpus,
            others.cpus if self.cpus is None else self.cpus,
            others.memory_gib if self.memory_gib is None else self.memory_gib,
            others.hours if self.hours is None else self.hours,
        )


@dataclass(frozen=True)
class Job:
    """A unit of work for an executor: the call `function(*arguments)`.

    The job can be pickled, and can run in any process that has access to the runs folder. A process of its own is what a job
    should have: what plugins do to the global state of a process must not reach the numbers of the next job.

    Args:
        imports: modules that the function imports. An executor that forks processes may import them beforehand.
        resources: what the job asks of its machine. An executor that cannot give it ignores it.
        key: text that is the same for every job that makes the same thing in the same runs folder, also one of another run. With
            it, an executor with a queue finds again what an earlier run has submitted. "" for a job that nobody else asks for.
        folder: the runs folder, which the machine of the job must see. An executor for other machines checks that before the
            job starts. A relative path begins in the working folder of the command.
    """

    name: str
    function: Callable[..., object]
    arguments: tuple[object, ...]
    imports: tuple[str, ...] = field(default=(), kw_only=True)
    resources: Resources = field(default=Resources(), kw_only=True)
    key: str = field(default="", kw_only=True)
    folder: Path | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class JobEnd:
    """The end of a job: the return value `value`, or, where the job's process died, the reason `death` as text.

    Args:
        death: one line; tables show it.
        is_lost: whether the machine went away under the job: its node failed, or the cluster took it back and did not start the
            job again. The run hands such a job out again, a few times. False for whatever the job did itself: what it raised,
            how it exited, memory that it took beyond its limit. Then `death` is its end, and nothing is tried again.
    """

    job: Job
    value: object = None
    death: str | None = None
    is_lost: bool = False


@runtime_checkable
class JobExecutor(Protocol):
    """An executor: runs jobs on some machine."""

    def run(self, ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None], *, slots: int) -> None:
        """Run jobs until there are none.

        Call `ready` a few times a second, with the ends of the jobs that ended since the last call. Run the jobs that it
        returns, at most `slots` at a time. Return when it returns None, because no job is left.

        When `harness.process.stop.is_requested()`, start no further job and tell the running ones to stop; on SIGINT they write
        a checkpoint. Hand their ends to `ready`, and return. When `harness.process.stop.is_forced()`, kill the jobs at once.
        """
        ...


@runtime_checkable
class QueueExecutor(JobExecutor, Protocol):
    """An executor whose jobs wait in a queue outside of the command, and outlive the command.

    It keeps in a folder what it must find again: a job that an earlier run has submitted and that is not over counts as submitted
    (see `Job.key`), and is not submitted again.
    """

    def take_folder(self, folder: Path) -> None:
        """Take the executor's own folder in the runs folder, which need not exist yet. Called once, before `run`."""
        ...
