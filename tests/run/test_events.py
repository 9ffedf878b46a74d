"""The line that a user reads when a job has ended."""

import pytest

from harness.run.events import describe_end
from harness.run.job_calls import base_job, cell_job, floor_job
from harness.stages.job_result import FAILED, FINISHED, JobResult
from harness.stages.options import JobOptions
from harness.store.records import Measured, save_record
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def finished(board, runs, make_record):
    """The line of a cell's job that has written a record with these fields."""

    def line(**fields):
        cell = board.cells[0]
        save_record(make_record(cell, **fields), runs.record(cell.board, cell.name, cell.key))
        return describe_end(cell_job(cell, runs, JobOptions()), FINISHED, runs)

    return line


def test_a_cell_shows_its_status_and_its_metrics_or_its_reason(finished):
    metrics = {"distance": Measured(values=[123456.0] * 2), "likeness": Measured(values=[0.02, 0.03])}
    assert finished(metrics=metrics) == "net/none/s0: done (distance 1.235e+05, likeness 0.025)"
    assert finished(status="diverged", reason="loss is nan", metrics={}) == "net/none/s0: diverged (loss is nan)"


def test_a_dead_process_shows_why_it_died_even_where_an_older_record_is(finished, board, runs):
    finished()
    died = JobResult("died", "out of memory")
    assert describe_end(cell_job(board.cells[0], runs, JobOptions()), died, runs) == "net/none/s0: failed: out of memory"


def test_bases_and_floors_show_how_they_ended(board, runs):
    base = base_job(board.cells[0].base, runs, JobOptions())
    floor = floor_job(board.name, board.floors[0], runs, JobOptions(), is_smoke=False)
    assert describe_end(base, FINISHED, runs) == "base net: done"
    assert describe_end(floor, FAILED, runs) == "floor distance: failed"
    assert describe_end(base, JobResult("refused", "/x: no room left"), runs) == "base net: /x: no room left"
