"""Deaths that nobody has told become failed records; jobs that live are left alone."""

import subprocess
import sys

import pytest

from harness.process.host import ProcessId, here
from harness.run import collect
from harness.run.states import states
from harness.store.commands import registered, this_command
from harness.store.lease_files import take
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", "0.05")
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cells(board):
    return [cell for cell in board.cells if cell.skip_reason is None][:3]


def hold(cell, owner, runs):
    path = runs.lease("cell", cell.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    take(path, str(owner), None)


def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return ProcessId(here().identity, process.pid, 1, "abcdef")


def far():
    return ProcessId("0" * 12, 4711, 1, "abcdef")


def collected(board, cells, runs):
    remarks = []
    lines = list(collect.note_deaths(board, cells, runs, remarks.append))
    return lines, remarks


def test_a_cell_whose_process_died_fails(board, cells, runs):
    owner = dead()
    hold(cells[0], owner, runs)
    (line,), remarks = collected(board, cells, runs)
    assert line.startswith(f"{cells[0].name}: its process died (process {owner.pid})")
    assert remarks == []
    assert [state.state for state in states(board, cells, runs)] == ["failed", "to run", "to run"]
    assert "its process died" in runs.job_log(board.name, "cell", cells[0].name).read_text()
    assert collected(board, cells, runs) == ([], [])


def test_a_process_of_another_host_is_watched_for_some_beats(board, cells, runs):
    runs.workers.mkdir(parents=True)
    hold(cells[1], far(), runs)
    (runs.workers / f"{far()}.json").write_text("{}")  # and no more beats
    (line,), remarks = collected(board, cells, runs)
    assert line.startswith(f"{cells[1].name}: its process died (process 4711)")
    assert "on other machines" in remarks[0]


def test_a_job_that_a_living_run_watches_is_left_to_it(board, cells, runs):
    hold(cells[0], dead(), runs)
    with registered(this_command(board.name, runs, [cells[0].key], {}), runs):
        assert collected(board, cells, runs) == ([], [])
