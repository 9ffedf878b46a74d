"""The checks of executors find each broken promise in an executor that otherwise keeps all of them."""

import re
import threading
from traceback import format_exception_only

import pytest

from harness.components import Executor
from harness.interfaces import JobEnd, Resources
from harness.process import stop
from harness.testing import executor_jobs, executors
from harness.testing.executors import Plan, check_executor


class Serial:
    """One job after the other, in this process."""

    def __init__(self, config=None):
        self.config = config

    def run(self, ready, *, slots):
        queue, ends = [], []
        while (jobs := ready(ends)) is not None and not stop.is_requested():
            queue += jobs
            ends = [self.end_of(queue.pop(0))] if queue else []

    def end_of(self, job):
        try:
            return JobEnd(job, value=job.function(*job.arguments))
        except (Exception, SystemExit) as error:
            return JobEnd(job, death="".join(format_exception_only(error)).strip())


class Silent(Serial):
    def end_of(self, job):
        end = super().end_of(job)
        return JobEnd(job) if end.death else end


class Wordy(Serial):
    def end_of(self, job):
        end = super().end_of(job)
        return JobEnd(job, death=f"Traceback:\n{end.death}") if end.death else end


class Vague(Serial):
    def end_of(self, job):
        end = super().end_of(job)
        return JobEnd(job, death="it failed") if end.death else end


class LosesWhatRaises(Serial):
    def end_of(self, job):
        end = super().end_of(job)
        return JobEnd(job, end.value, end.death, is_lost=end.death is not None)


class IsTooProud(Serial):
    """Runs no job that asks for something."""

    def end_of(self, job):
        return JobEnd(job, death="no such machine") if job.resources != Resources() else super().end_of(job)


class Twice(Serial):
    def run(self, ready, *, slots):
        super().run(lambda ends: ready([*ends, *ends]), slots=slots)


class LosesValues(Serial):
    def end_of(self, job):
        super().end_of(job)
        return JobEnd(job)


class AllAtOnce(Serial):
    """Starts every job in a thread of its own, whatever the slots."""

    def run(self, ready, *, slots):
        jobs, ends = ready([]), []
        threads = [threading.Thread(target=lambda job=job: ends.append(self.end_of(job))) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ready(ends)


class HearsNoStop(Serial):
    """Goes on with the next job after a request to stop."""

    def run(self, ready, *, slots):
        queue, ends = [], []
        while (jobs := ready(ends)) is not None:
            queue += jobs
            ends = [self.end_of(queue.pop(0))] if queue else []


class DropsTheLastEnd(Serial):
    def run(self, ready, *, slots):
        queue, ends = [], []
        while not stop.is_requested() and (jobs := ready(ends)) is not None:
            queue += jobs
            ends = [self.end_of(queue.pop(0))] if queue else []


@pytest.fixture
def component(target):
    return Executor("serial", build=target(Serial), summary="one job after the other")


def test_an_executor_that_keeps_the_rules_passes_and_leaves_no_request_to_stop(component):
    check_executor(component, survives_death=False)
    assert not stop.is_requested()


@pytest.mark.parametrize(("executor", "message"), [
    (Silent, "a job that raises ended without a reason; hand JobEnd(job, death=…) to ready"),
    (Wordy, "the reason of a job that raises has several lines; tables show one"),
    (Vague, "the reason of a job that raises lacks its text: it failed"),
])  # fmt: skip
def test_faults_without_words_are_found(failure, executor, message):
    executors.check_a_fault_ends_its_own_job(Serial, survives_death=False)
    assert failure(executors.check_a_fault_ends_its_own_job, executor, survives_death=False) == message


def test_faults_that_count_as_lost_machines_are_found(failure):
    expected = "a job that raises counts as lost, and would run again; only a machine that went away loses jobs"
    assert failure(executors.check_a_fault_ends_its_own_job, LosesWhatRaises, survives_death=False) == expected


def test_jobs_that_are_turned_away_for_their_resources_are_found(failure):
    executors.check_resources_are_no_obstacle(Serial)
    message = failure(executors.check_resources_are_no_obstacle, IsTooProud)
    assert message.startswith("a job with Resources(gpus=0, cpus=1, memory_gib=1.0, hours=0.1) did not run: no such machine")


def test_ends_that_are_lost_or_doubled_are_found(failure):
    executors.check_every_job_ends_once(Serial)
    assert "handed over more than once: root, root" in failure(executors.check_every_job_ends_once, Twice)
    assert failure(executors.check_every_job_ends_once, LosesValues).startswith("jobs gave {'root': None")


def test_jobs_above_the_slots_are_found(failure):
    executors.check_slots_are_kept(Serial)
    # On a busy machine the first may end before the last begins.
    assert re.fullmatch("[34] jobs ran at once in 2 slots", failure(executors.check_slots_are_kept, AllAtOnce))


def test_stops_that_are_not_passed_on_are_found(failure, monkeypatch):
    executors.check_a_stop_reaches_running_jobs(Serial)
    assert failure(executors.check_a_stop_reaches_running_jobs, HearsNoStop) == "a job was started after the request to stop"
    assert "the end of the running job was not handed" in failure(executors.check_a_stop_reaches_running_jobs, DropsTheLastEnd)
    monkeypatch.setattr(stop, "is_requested", lambda: False)
    monkeypatch.setattr(executor_jobs, "WAIT_SECONDS", 0.1)
    assert "did not hear of the stop: never asked to stop" in failure(executors.check_a_stop_reaches_running_jobs, OneJob)


class OneJob(Serial):
    """Runs the first job, and returns."""

    def run(self, ready, *, slots):
        ready([self.end_of(ready([])[0])])


def test_jobs_that_never_end_are_found(failure, monkeypatch):
    monkeypatch.setattr(executors, "LIMIT_SECONDS", -1.0)
    assert failure(Plan().ready, []) == "-1 s, and 0 of 0 jobs have not ended"
