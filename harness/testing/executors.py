"""Conformance of executors: every job runs and ends once, a fault ends its own job only, and a stop reaches running jobs."""

from __future__ import annotations

import math
import operator
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.components import Executor
from harness.config import Config
from harness.interfaces import Job, JobEnd, JobExecutor, QueueExecutor, Resources
from harness.process import stop
from harness.testing import executor_jobs
from harness.testing.checks import Checks, run_all
from harness.testing.configs import component_checks
from harness.testing.expect import expect

LIMIT_SECONDS = 300.0
"""How long the jobs of one check may take in all; starting a worker takes seconds, or a minute in a queue."""
Build = Callable[[], JobExecutor]


def check_executor(component: Executor, *, config: Config | None = None, survives_death: bool = True) -> None:
    """Run all checks of this module, and those of any component.

    The checks request stops of this process, and forget the requests afterwards.

    Args:
        config: settings to check with; by default the component's defaults with `smoke`.
        survives_death: False for an executor that runs jobs in the process of the command, which a job can take with it.
    """
    run_all(component_checks(component))
    run_all(executor_checks(component, config=config, survives_death=survives_death))


def executor_checks(component: Executor, *, config: Config | None = None, survives_death: bool = True) -> Checks:
    """Yield the checks of this module. The arguments are those of `check_executor`."""
    settings = config or component.config(**component.smoke)

    def build() -> JobExecutor:
        return component.create(settings)

    yield partial(check_nothing_to_do_returns, build)
    yield partial(check_every_job_ends_once, build)
    yield partial(check_a_fault_ends_its_own_job, build, survives_death=survives_death)
    yield partial(check_resources_are_no_obstacle, build)
    yield partial(check_slots_are_kept, build)
    yield partial(check_a_stop_reaches_running_jobs, build)


class Plan:
    """Jobs in the place of a board: it hands out some at once, and others when all of those have ended."""

    def __init__(self, *jobs: Job, then: Sequence[Job] = ()) -> None:
        self.ends: list[JobEnd] = []
        self._batches, self._handed_out = [list(jobs), list(then)], 0
        self._total, self._began = len(jobs) + len(then), time.monotonic()

    def ready(self, ends: Sequence[JobEnd]) -> list[Job] | None:
        """Take the ends of jobs, and return the jobs that can start now; None when all have ended."""
        self.ends += ends
        expect(time.monotonic() - self._began < LIMIT_SECONDS, f"{LIMIT_SECONDS:g} s, and {self._missing()} have not ended")
        if len(self.ends) >= self._total:
            return None
        if len(self.ends) < self._handed_out or not self._batches:
            return []
        jobs = self._batches.pop(0)
        self._handed_out += len(jobs)
        return jobs

    def _missing(self) -> str:
        return f"{self._total - len(self.ends)} of {self._total} jobs"

    def by_name(self) -> dict[str, JobEnd]:
        """Return the ends by the names of their jobs, of which each must have ended once."""
        names = [end.job.name for end in self.ends]
        expect(len(set(names)) == len(names), f"the end of a job is handed over more than once: {', '.join(sorted(names))}")
        return {end.job.name: end for end in self.ends}


def run(build: Build, plan: Plan, *, slots: int = 1) -> dict[str, JobEnd]:
    """Run a plan. Returns: the ends by the names of their jobs."""
    with _no_stop_requests():
        _execute(build, plan, slots=slots)
    return plan.by_name()


def _execute(build: Build, plan: Plan, *, slots: int) -> None:
    executor = build()
    with TemporaryDirectory() as folder:
        if isinstance(executor, QueueExecutor):
            executor.take_folder(Path(folder) / "executor")
        executor.run(plan.ready, slots=slots)


@contextmanager
def _no_stop_requests() -> Iterator[None]:
    stop.clear()
    try:
        yield
    finally:
        stop.clear()


def check_nothing_to_do_returns(build: Build) -> None:
    """Check that `run` returns when there is no job."""
    expect(not run(build, Plan()), "there is an end without a job")


def check_every_job_ends_once(build: Build) -> None:
    """Check that each job runs with its arguments, that its value comes back, and that jobs which become ready later run too."""
    plan = Plan(Job("root", math.sqrt, (9.0,)), Job("sum", operator.add, (1, 2)), then=[Job("later", operator.mul, (2, 3))])
    ends = run(build, plan, slots=2)
    values = {name: end.value if end.death is None else end.death for name, end in ends.items()}
    expect(values == {"root": 3.0, "sum": 3, "later": 6}, f"jobs gave {values}, not root 3.0, sum 3 and later 6")


def check_a_fault_ends_its_own_job(build: Build, *, survives_death: bool) -> None:
    """Check that a job which raises, exits or dies has an end with the reason in words, and that the jobs after it run.

    Args:
        survives_death: whether to try a job that takes its process with it.
    """
    jobs = [Job("raises", operator.truediv, (1, 0)), Job("exits", executor_jobs.exit_with, (3,))]
    if survives_death:
        jobs.append(Job("dies", executor_jobs.die_with, (9,)))
    ends = run(build, Plan(*jobs, then=[Job("works", math.sqrt, (4.0,))]))
    for job in jobs:
        death, is_lost = ends[job.name].death, ends[job.name].is_lost
        expect(death, f"a job that {job.name} ended without a reason; hand JobEnd(job, death=…) to ready")
        expect("\n" not in str(death), f"the reason of a job that {job.name} has several lines; tables show one")
        expect(
            not is_lost, f"a job that {job.name} counts as lost, and would run again; only a machine that went away loses jobs"
        )
    reason = str(ends["raises"].death)
    expect("division by zero" in reason, f"the reason of a job that raises lacks its text: {reason}")
    expect(ends["works"].value == 2.0, "after jobs that failed, a job did not run")


def check_resources_are_no_obstacle(build: Build) -> None:
    """Check that a job which asks for little of its machine runs, beside one that asks for nothing."""
    little = Resources(gpus=0, cpus=1, memory_gib=1.0, hours=0.1)
    ends = run(build, Plan(Job("asks", math.sqrt, (9.0,), resources=little), Job("asks nothing", math.sqrt, (4.0,))), slots=2)
    asks = ends["asks"]
    expect(asks.value == 3.0, f"a job with {little} did not run: {asks.death}; ignore what your machines cannot give")
    expect(ends["asks nothing"].value == 2.0, "beside a job with resources, a job without did not run")


def check_slots_are_kept(build: Build) -> None:
    """Check that no more jobs run at once than there are slots."""
    with TemporaryDirectory() as folder:
        names = [f"nap {number}" for number in range(4)]
        run(build, Plan(*(Job(name, executor_jobs.nap, (folder, name, 0.3)) for name in names)), slots=2)
        times = [tuple(float((Path(folder) / f"{name}.{mark}").read_text()) for mark in ("began", "ended")) for name in names]
    most = max(sum(began <= at < ended for began, ended in times) for at, _ in times)
    expect(most <= 2, f"{most} jobs ran at once in 2 slots")


def check_a_stop_reaches_running_jobs(build: Build) -> None:
    """Check that after a request to stop the running job hears of it and its end is handed over, and no further job starts."""
    with TemporaryDirectory() as folder, _no_stop_requests():
        running = Job("running", executor_jobs.until_stopped, (folder, "running"))
        plan = Plan(running, Job("never", executor_jobs.nap, (folder, "never", 0.0)))
        asking = threading.Thread(target=_ask_to_stop, args=(Path(folder) / "running.began",), daemon=True)
        asking.start()
        _execute(build, plan, slots=1)
        asking.join()
        ends, has_begun = plan.by_name(), (Path(folder) / "never.began").exists()
    expect(not has_begun, "a job was started after the request to stop")
    expect("running" in ends, "after a request to stop, the end of the running job was not handed to ready")
    end = ends["running"]
    expect(end.value == "asked to stop", f"the running job did not hear of the stop: {end.value or end.death}; send it SIGINT")


def _ask_to_stop(mark: Path) -> None:
    """Request a stop of this process as soon as a job has left its mark."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.request()
