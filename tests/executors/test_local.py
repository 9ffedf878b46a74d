"""The local executor: jobs side by side, each in a process; what ends one job ends no other."""

import operator
import os
import sys
import time

import pytest

from harness.config import NoConfig
from harness.interfaces import Job
from harness.process import stop
from harness_local.executor import LocalExecutor

# Workers import what jobs name, and test modules cannot be imported there: these are functions of Python itself.
ALIVE = Job("alive", os.getpid, ())
RAISES = Job("raises", operator.truediv, (1, 0))
EXITS = Job("exits", sys.exit, (3,))
DIES = Job("dies", os._exit, (1,))


class Plan:
    """Hands out jobs; each end may bring others."""

    def __init__(self, *jobs, then=None):
        self.new, self.then, self.running, self.ends = list(jobs), then or {}, 0, []

    def ready(self, ends):
        self.ends += ends
        self.running -= len(ends)
        for end in ends:
            self.new += self.then.get(end.job.name, [])
        jobs, self.new = self.new, []
        self.running += len(jobs)
        return None if not jobs and not self.running else jobs


@pytest.fixture(autouse=True)
def _no_stop_request():
    stop.clear()
    yield
    stop.clear()


def run(plan, slots):
    LocalExecutor(NoConfig()).run(plan.ready, slots=slots)
    return {end.job.name: end for end in plan.ends}


def test_one_worker_takes_all_jobs_and_outlives_their_faults():
    plan = Plan(ALIVE, RAISES, then={"raises": [EXITS], "exits": [DIES], "dies": [Job("last", os.getpid, ())]})
    ends = run(plan, slots=1)
    assert [end.job.name for end in plan.ends] == ["alive", "raises", "exits", "dies", "last"]  # in the order they came in
    assert isinstance(ends["alive"].value, int)
    assert ends["alive"].value != os.getpid()
    assert ends["raises"].death == "ZeroDivisionError: division by zero"
    assert ends["exits"].death == "SystemExit: 3"
    assert "process died" in ends["dies"].death
    assert ends["last"].death is None
    assert ends["last"].value != ends["alive"].value  # another process, after the first had died


def test_slots_work_side_by_side():
    naps = [Job(f"nap {number}", time.sleep, (0.5,)) for number in range(4)]
    plan = Plan(*naps)
    most, ready = 0, plan.ready

    def watching(ends):
        nonlocal most
        most = max(most, len({job.name for job in naps}) - len(plan.ends))
        return ready(ends)

    plan.ready = watching
    assert set(run(plan, slots=2)) == {job.name for job in naps}
    assert all(end.death is None for end in plan.ends)


def test_after_a_stop_request_nothing_is_started():
    stop.request()
    plan = Plan(ALIVE)
    run(plan, slots=1)
    assert plan.ends == []


def test_a_second_request_ends_running_jobs_at_once_and_hands_their_ends_over():
    """A job that looks at no signal: the first request lets it be, the second kills its process."""
    plan = Plan(Job("endless", time.sleep, (600,)))
    ready, asked = plan.ready, []

    def impatient(ends):
        jobs = ready(ends)
        if not jobs and not asked:  # the job is running
            asked.append(time.monotonic())
            stop.request()
            stop.request()
        return jobs

    plan.ready = impatient
    ends = run(plan, slots=1)
    assert "its process died" in ends["endless"].death
    assert time.monotonic() - asked[0] < 60


def test_nothing_to_do_starts_no_process():
    calls = []
    LocalExecutor(NoConfig()).run(lambda ends: calls.append(ends), slots=3)
    assert calls == [[]]
