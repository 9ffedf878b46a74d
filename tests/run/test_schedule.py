"""Which jobs are handed out when: no job runs here, their ends are made up."""

import os
import time

import pytest

from harness.interfaces import JobEnd
from harness.process import stop
from harness.run import busy_jobs, schedule
from harness.run.events import describe_wait
from harness.run.job_calls import base_job, cell_job, floor_job
from harness.run.schedule import Schedule
from harness.stages.job_result import BUSY, FAILED, FINISHED, INTERRUPTED, JobResult
from harness.stages.options import JobOptions
from harness.store import cancels
from harness.store.cancels import Cancels, ask
from harness.store.progress import Reporter
from harness.store.records import load_record, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture(autouse=True)
def _no_stop_request():
    yield
    stop.clear()


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def events():
    return []


@pytest.fixture
def plan(board, runs, events):
    """A schedule of two bases with a cell each, and one floor."""
    options = JobOptions()
    cells = [next(cell for cell in board.cells if cell.name == name) for name in ("net/fit/s0", "chain/fit/s0")]
    return Schedule(
        [base_job(cell.base, runs, options) for cell in cells],
        [floor_job(board.name, board.floors[0], runs, options, is_smoke=False)],
        [cell_job(cell, runs, options) for cell in cells],
        runs,
        events.append,
    )


def names(jobs):
    return None if jobs is None else [job.name for job in jobs]


def record_of(job, runs):
    return load_record(runs.record(job.cell.board, job.cell.name, job.cell.key))


def start(plan):
    """Hand out the first jobs, by name."""
    return {job.name: job for job in plan.ready([])}


def cell_of(plan, base, result=FINISHED):
    """End the job of a base, and return the job of its cell."""
    jobs = start(plan)
    (cell,) = plan.ready([JobEnd(jobs[base], result)])
    return cell


def test_bases_and_floors_come_first_and_each_cell_after_its_base(plan):
    jobs = start(plan)
    assert list(jobs) == ["base net", "base chain", "floor distance"]
    assert names(plan.ready([])) == []  # nothing new, and something runs
    assert names(plan.ready([JobEnd(jobs["base chain"], FINISHED)])) == ["chain/fit/s0"]
    assert names(plan.ready([JobEnd(jobs["floor distance"], FINISHED), JobEnd(jobs["base net"], FINISHED)])) == ["net/fit/s0"]


def test_the_run_is_over_when_every_job_has_ended(plan, events):
    jobs = start(plan)
    cells = plan.ready([JobEnd(job, FINISHED) for job in jobs.values()])
    assert not plan.is_over
    assert plan.ready([JobEnd(job, FINISHED) for job in cells]) is None
    assert plan.is_over
    assert [(event.ended, event.total) for event in events] == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert events[0].text == "base net: done"


@pytest.mark.parametrize("end", [{"value": FAILED}, {"death": "its process died"}])
def test_cells_of_a_base_that_failed_run_too_and_record_why_they_fail(plan, end):
    base = start(plan)["base net"]
    assert names(plan.ready([JobEnd(base, **end)])) == ["net/fit/s0"]


def test_a_cell_that_another_run_works_on_is_asked_for_again_later(plan, events, monkeypatch):
    monkeypatch.setattr(busy_jobs, "LOOK_SECONDS", 0.05)
    cell = cell_of(plan, "base net")
    ended = len(events)
    assert names(plan.ready([JobEnd(cell, BUSY)])) == []  # not at once
    assert len(events) == ended  # and not over
    time.sleep(0.06)
    assert names(plan.ready([])) == ["net/fit/s0"]
    assert names(plan.ready([])) == []  # once


def test_a_run_waits_for_the_cells_of_another_run(plan, monkeypatch):
    monkeypatch.setattr(busy_jobs, "LOOK_SECONDS", 60.0)
    jobs = start(plan)
    cells = plan.ready([JobEnd(job, FINISHED) for job in jobs.values()])
    assert plan.ready([JobEnd(job, BUSY) for job in cells]) == []
    assert not plan.is_over


def test_after_a_refusal_nothing_is_handed_out_and_running_jobs_are_awaited(plan):
    jobs = start(plan)
    full = JobResult("refused", "/x: no room left")
    assert plan.ready([JobEnd(jobs["base net"], full)]) == []
    assert plan.ready([JobEnd(jobs["base chain"], full)]) == []
    assert plan.ready([JobEnd(jobs["floor distance"], FINISHED)]) is None
    assert plan.refusals == ["/x: no room left", "/x: no room left"]
    assert not plan.is_over


def test_an_interrupted_job_has_not_ended(plan, events):
    jobs = start(plan)
    stop.request()
    ends = [
        JobEnd(jobs["base net"], INTERRUPTED),
        JobEnd(jobs["base chain"], death="killed"),
        JobEnd(jobs["floor distance"], FINISHED),
    ]
    plan.ready(ends)
    assert [event.text for event in events] == ["floor distance: done"]
    assert not plan.is_over


def test_the_death_of_a_cells_process_is_its_record(plan, runs, events):
    cell = cell_of(plan, "base net")
    plan.ready([JobEnd(cell, death="out of memory")])
    record = record_of(cell, runs)
    assert (record.status, record.reason) == ("failed", "out of memory")
    assert events[-1].text == "net/fit/s0: failed: out of memory"


@pytest.mark.parametrize(("status", "stays"), [("done", True), ("diverged", True), ("failed", False)])
def test_a_process_that_dies_after_it_has_written_a_result_takes_nothing_back(plan, runs, make_record, status, stays):
    cell = cell_of(plan, "base net")
    save_record(make_record(cell.cell, status=status), runs.record(cell.cell.board, cell.cell.name, cell.cell.key))
    plan.ready([JobEnd(cell, death="out of memory")])
    assert record_of(cell, runs).status == (status if stays else "failed")
    assert (record_of(cell, runs).reason == "out of memory") is not stays


def test_an_executor_that_loses_a_return_value_is_told_so(plan):
    base = start(plan)["base net"]
    with pytest.raises(TypeError, match="the executor says that base net returned None; its function returns a JobResult"):
        plan.ready([JobEnd(base)])


def test_a_worker_that_was_told_to_stop_although_the_run_was_not_has_its_job_done_again(plan, events):
    base = start(plan)["base net"]
    for _ in range(schedule.MOST_INTERRUPTIONS - 1):
        assert names(plan.ready([JobEnd(base, INTERRUPTED)])) == ["base net"]
    expected = "base net: its worker was told to stop, and this run was not; the job starts again"
    assert [(event.text, event.ended) for event in events] == [(expected, 0)] * (schedule.MOST_INTERRUPTIONS - 1)
    assert names(plan.ready([JobEnd(base, FINISHED)])) == ["net/fit/s0"]


def test_a_job_whose_workers_are_told_to_stop_again_and_again_fails_with_that_reason(plan, runs, events):
    cell = cell_of(plan, "base net")
    for _ in range(schedule.MOST_INTERRUPTIONS):
        plan.ready([JobEnd(cell, INTERRUPTED)])
    record = record_of(cell, runs)
    assert record.status == "failed"
    assert record.reason == "its worker was told to stop 3 times (SIGTERM?), and this run was not"
    assert events[-1].text == f"net/fit/s0: failed: {record.reason}"


def test_a_job_whose_machine_went_away_is_done_again(plan, events):
    base = start(plan)["base net"]
    for _ in range(schedule.MOST_LOSSES):
        assert names(plan.ready([JobEnd(base, death="its node failed", is_lost=True)])) == ["base net"]
    expected = "base net: its node failed; the job starts again"
    assert [(event.text, event.ended) for event in events] == [(expected, 0)] * schedule.MOST_LOSSES
    assert names(plan.ready([JobEnd(base, FINISHED)])) == ["net/fit/s0"]


def test_a_job_that_lost_one_of_its_processes_is_done_again_and_fails_in_the_end(plan, runs, events):
    cell, lost = cell_of(plan, "base net"), JobResult("lost", "process 2 of 2 of the job was killed by SIGKILL")
    for _ in range(schedule.MOST_LOSSES):
        assert names(plan.ready([JobEnd(cell, lost)])) == ["net/fit/s0"]
    assert events[-1].text == "net/fit/s0: process 2 of 2 of the job was killed by SIGKILL; the job starts again"
    plan.ready([JobEnd(cell, lost)])
    assert (record_of(cell, runs).status, record_of(cell, runs).reason) == ("failed", lost.message)


def test_a_job_that_is_lost_again_and_again_fails_with_the_last_reason(plan, runs, events):
    cell = cell_of(plan, "base net")
    for _ in range(schedule.MOST_LOSSES + 1):
        plan.ready([JobEnd(cell, death="its node failed", is_lost=True)])
    assert (record_of(cell, runs).status, record_of(cell, runs).reason) == ("failed", "its node failed")
    assert events[-1].text == "net/fit/s0: failed: its node failed"
    assert names(plan.ready([])) == []


def test_a_lost_job_does_not_start_again_after_a_stop(plan, events):
    base = start(plan)["base net"]
    stop.request()
    assert names(plan.ready([JobEnd(base, death="its node failed", is_lost=True)])) == []
    assert events == []


def test_a_run_that_can_only_wait_says_once_for_whom(plan, events, runs, monkeypatch):
    monkeypatch.setattr(busy_jobs, "LOOK_SECONDS", 60.0)
    reporter = Reporter(runs, "floor/distance")
    reporter.stage("measure")
    jobs = start(plan)
    plan.ready([JobEnd(jobs["floor distance"], BUSY)])
    assert events == []  # two bases of its own still run
    plan.ready([JobEnd(jobs["base net"], BUSY), JobEnd(jobs["base chain"], BUSY)])
    for _ in range(3):
        plan.ready([])
    expected = f"waiting for floor distance and 2 more, on which another run works (process {os.getpid()})"
    assert [event.text for event in events] == [expected]
    reporter.end()


def test_a_run_on_another_machine_is_waited_for_without_the_number_of_its_process(plan, runs):
    jobs = start(plan)
    assert describe_wait([jobs["base net"]], runs) == "waiting for base net, on which another run works"


@pytest.fixture
def cancellable(board, runs, events, monkeypatch):
    """As `plan`, with two cells a base, of a command that others can ask to stop."""
    monkeypatch.setattr(cancels, "COMMAND_SECONDS", 0.0)
    options = JobOptions(command="own")
    wanted = ("net/fit/s0", "net/fit/s1", "chain/fit/s0")
    cells = [next(cell for cell in board.cells if cell.name == name) for name in wanted]
    bases = {cell.base.key: cell.base for cell in cells}.values()
    jobs = [cell_job(cell, runs, options) for cell in cells]
    return Schedule([base_job(base, runs, options) for base in bases], [], jobs, runs, events.append, Cancels(runs, "own"))


def test_cancelled_cells_do_not_begin_and_the_others_go_on(cancellable, runs, events):
    jobs = start(cancellable)
    cells = cancellable.ready([JobEnd(jobs["base net"], FINISHED)])
    assert names(cells) == ["net/fit/s0", "net/fit/s1"]
    ask(runs, ["own"], ["net/fit/s0", "chain/fit/s0", "base chain"])
    assert names(cancellable.ready([JobEnd(cells[0], INTERRUPTED)])) == []  # its worker has seen the request
    assert not stop.is_requested()
    assert names(cancellable.ready([JobEnd(jobs["base chain"], INTERRUPTED)])) == []
    assert cancellable.ready([JobEnd(cells[1], FINISHED)]) is None
    assert cancellable.is_over
    assert [event.text.partition(" by ")[0] for event in events] == [
        "base net: done", "net/fit/s0: cancelled", "chain/fit/s0: cancelled", "base chain: cancelled", "net/fit/s1: done",
    ]  # fmt: skip


def test_a_cancelled_run_stops_as_if_its_user_had_asked(cancellable, runs):
    start(cancellable)
    assert cancellable.cancelled_by == ""
    ask(runs, ["own"], None)
    cancellable.ready([])
    assert stop.is_requested()
    assert " on " in cancellable.cancelled_by
