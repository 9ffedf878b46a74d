"""A board is run whole, once, whatever its jobs do: in one process, by an executor that runs jobs in any order."""

import os
from types import SimpleNamespace

import pytest

from harness.errors import Interrupted, UserError
from harness.interfaces import JobEnd, Resources
from harness.plugins import registry
from harness.process import stop
from harness.run import start
from harness.run.needs import Needs
from harness.run.resources import ResourceLayer
from harness.run.start import RunOptions, run_board
from harness.run.states import states
from harness.stages.job_result import INTERRUPTED, JobResult
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder


def run(board, folder, **options):
    return run_board(board, board.cells, RunsFolder(folder), RunOptions(jobs=1, **options))


def results(board, folder):
    """What may not depend on the order of the jobs."""
    found = {}
    for cell in board.cells:
        record = load_record(RunsFolder(folder).record(cell.board, cell.name, cell.key))
        values = {name: measured.values for name, measured in record.metrics.items()}
        found[cell.name] = (record.status, values, record.weights_sha256, record.samples_sha256, record.costs.network_evaluations)
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A runs folder in which the first test runs the whole board, in order."""
    return tmp_path_factory.mktemp("first")


def test_the_order_of_cells_does_not_matter(small, serial, first, tmp_path):
    ended = run(small, first)
    assert [(state.cell.name, state.state) for state in ended] == [
        ("ddpm/none/s0", "done"), ("ddpm/none/s1", "done"), ("ddpm/sft-pg/s0", "done"), ("ddpm/sft-pg/s1", "done"),
        ("ddpm/ddo/s0", "done"), ("ddpm/ddo/s1", "done"),
        ("edm/none/s0", "done"), ("edm/sft-pg/s0", "skipped"), ("edm/ddo/s0", "done"),
    ]  # fmt: skip
    straight, serial.ran = serial.ran, []
    serial.newest_first = True
    run(small, tmp_path / "back")
    assert serial.ran != straight
    assert sorted(serial.ran) == sorted(straight)
    assert results(small, tmp_path / "back") == results(small, first)


def test_what_is_done_is_not_run_again(small, serial, first):
    run(small, first)
    serial.ran = []
    assert {state.state for state in run(small, first)} == {"done", "skipped"}
    assert serial.ran == []


def test_a_skipped_cell_has_a_record_that_says_why_and_keeps_it(small, serial, first):
    (skipped,) = [cell for cell in small.cells if cell.skip_reason]
    path = RunsFolder(first).record(skipped.board, skipped.name, skipped.key)
    run(small, first)
    before = path.stat().st_ino
    assert (load_record(path).status, load_record(path).reason) == ("skipped", skipped.skip_reason)
    run(small, first)
    assert path.stat().st_ino == before


def test_a_part_of_the_board(small, serial, tmp_path):
    cells = [cell for cell in small.cells if cell.name == "edm/none/s0"]
    (ended,) = run_board(small, cells, RunsFolder(tmp_path), RunOptions(jobs=4))
    assert ended.state == "done"
    assert sorted(serial.ran) == ["base edm", "edm/none/s0", "floor sliced-w2"]
    assert {state.state for state in states(small, small.cells, RunsFolder(tmp_path))} == {"to run", "done", "skipped"}


def test_plugins_hear_once_which_cells_will_run(small, serial, first, monkeypatch):
    heard = []
    monkeypatch.setattr(registry(), "listen", lambda hook, *_, **arguments: heard.append((hook, arguments)))
    run(small, first)
    assert [hook for hook, _ in heard if hook == "harness_run_started"] == []  # nothing is to run
    (cell,) = (cell for cell in small.cells if cell.name == "ddpm/none/s0")
    RunsFolder(first).record(cell.board, cell.name, cell.key).unlink()
    run(small, first)
    assert heard[0] == ("harness_run_started", {"board": "small", "cells": (cell,), "runs": first})


def test_what_is_missing_stops_everything_before_any_job_unless_nothing_is_to_run(small, serial, first, tmp_path, monkeypatch):
    def missing(self):
        return ["dataset: no files"] if self._components else []

    run(small, first)
    serial.ran = []
    monkeypatch.setattr(Needs, "absent_files", missing)
    assert {state.state for state in run(small, first)} == {"done", "skipped"}
    with pytest.raises(UserError, match="no files"):
        run(small, tmp_path / "other")
    assert serial.ran == []


def test_a_disk_that_refuses_stops_the_run_with_one_message(small, serial, tmp_path):
    full = JobResult("refused", "/x: no room left; free some space")
    serial.intercept = lambda job: JobEnd(job, full) if "/" in job.name else None
    with pytest.raises(UserError) as caught:
        run(small, tmp_path)
    assert str(caught.value) == "/x: no room left; free some space"


def test_a_dead_process_fails_its_cell_and_the_cell_is_tried_again(small, serial, tmp_path):
    serial.intercept = lambda job: JobEnd(job, death="its process died") if job.name == "ddpm/none/s0" else None
    cells = [cell for cell in small.cells if cell.name.startswith("ddpm/none")]
    ended = run_board(small, cells, RunsFolder(tmp_path), RunOptions(jobs=1))
    assert [(state.state, state.reason) for state in ended] == [("failed", "its process died"), ("done", "")]
    serial.stop_intercepting()
    serial.ran = []
    assert {state.state for state in run_board(small, cells, RunsFolder(tmp_path), RunOptions(jobs=1))} == {"done"}
    assert serial.ran == ["base ddpm", "ddpm/none/s0"]


def test_a_worker_that_is_told_to_stop_alone_costs_no_cell(small, serial, tmp_path):
    told = []

    def tell(job):
        if job.name == "ddpm/none/s1" and not told:
            told.append(job)
            return JobEnd(job, INTERRUPTED)
        return None

    serial.intercept = tell
    assert {state.state for state in run(small, tmp_path)} == {"done", "skipped"}
    assert told


def test_an_executor_that_ends_too_early_is_no_success(small, serial, tmp_path, monkeypatch):
    monkeypatch.setattr(serial, "run", lambda ready, **_: ready([]), raising=False)
    with pytest.raises(UserError, match=r"^executor local: it ended while jobs of this run were still to do"):
        run(small, tmp_path)


@pytest.mark.parametrize("end", [{"value": INTERRUPTED}, {"death": "its process died"}])
def test_a_stop_request_is_an_interruption_and_no_failure(small, serial, tmp_path, end):
    def stop_in_the_middle(job):
        if job.name == "ddpm/none/s1":
            stop.request()
            return JobEnd(job, **end)
        return None

    serial.intercept = stop_in_the_middle
    with pytest.raises(Interrupted):
        run(small, tmp_path)
    assert not list((tmp_path / "records").glob("*/ddpm__none__s1.*"))
    assert list((tmp_path / "records").glob("*/ddpm__none__s0.*"))


def test_a_stop_request_after_the_last_job_is_none(small, serial, tmp_path):
    cells = [cell for cell in small.cells if cell.name == "edm/none/s0"]

    def stop_at_the_end(job):
        end = JobEnd(job, job.function(*job.arguments))
        if job.name == "edm/none/s0":
            stop.request()
        return end

    serial.intercept = stop_at_the_end
    (ended,) = run_board(small, cells, RunsFolder(tmp_path), RunOptions(jobs=1))
    assert ended.state == "done"


def test_a_metric_above_its_limit_marks_the_cell_as_diverged_which_is_not_tried_again(small_text, write_small, serial, tmp_path):
    board = write_small(small_text.replace("{sliced-w2: {", "{sliced-w2: {explodes_above: 1.0e-9, "))
    cells = [cell for cell in board.cells if cell.method_name == "none"]
    runs = RunsFolder(tmp_path / "runs")
    ended = run_board(board, cells, runs, RunOptions(jobs=1))
    assert {state.state for state in ended} == {"diverged"}
    assert all("sliced-w2 is 0." in state.reason for state in ended)
    serial.ran = []
    assert run_board(board, cells, runs, RunOptions(jobs=1)) == ended
    assert serial.ran == []


def test_a_floor_that_alone_fails_ends_the_command_with_1(small, serial, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from harness.cli import app as cli
    from harness.stages import metrics

    def broken(floor, context):
        raise RuntimeError("no second draw")

    command = ["run", str(small.folder), "--only", "method=none,base=edm", "--runs-dir", str(tmp_path / "runs")]
    with monkeypatch.context() as patch:
        patch.setattr(metrics, "floor", broken)
        failed = CliRunner().invoke(cli.app, command)
    assert failed.exit_code == 1
    assert "failed: floor sliced-w2" in failed.stderr
    assert CliRunner().invoke(cli.app, command).exit_code == 0


def test_options_that_cannot_be_are_refused_before_anything_is_written(small, tmp_path):
    with pytest.raises(UserError, match="--jobs 0: need at least 1"):
        run_board(small, small.cells, RunsFolder(tmp_path / "runs"), RunOptions(jobs=0))
    assert not (tmp_path / "runs").exists()


def test_environment_variables_that_plugins_set_when_a_run_looks_for_what_it_needs_reach_no_job(
    small, serial, tmp_path, monkeypatch
):
    def setting(self):
        os.environ.update(OMP_NUM_THREADS="3", HARNESS_NEW="set")
        return []

    def look(job):
        seen.append((os.environ.get("OMP_NUM_THREADS"), os.environ.get("HARNESS_NEW")))
        return JobEnd(job, job.function(*job.arguments))

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HARNESS_NEW", "")
    monkeypatch.delenv("HARNESS_NEW")  # set and deleted, so that it is gone after the test too
    monkeypatch.setattr(Needs, "check", setting)
    seen, serial.intercept = [], look
    run_board(small, small.cells[:1], RunsFolder(tmp_path), RunOptions(jobs=1))
    assert set(seen) == {("1", None)}


def test_a_run_imports_no_torch_before_its_workers():
    import subprocess
    import sys

    code = "import sys, harness.run.start; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def executor_with(*, has_queue):
    """Returns an executor that is never asked for more than whether it has a queue."""
    return SimpleNamespace(component=SimpleNamespace(has_queue=has_queue))


@pytest.mark.parametrize(
    ("options", "has_queue", "gpus", "devices"),
    [
        ({}, True, 4, 4),  # the executor gives the cards that a job asks for, and the job uses them
        ({}, True, None, 1),
        ({}, True, 0, 1),
        ({}, False, 4, 1),  # this machine's executor gives a card to each job
        ({"devices": 2}, True, 4, 2),
        ({"devices": 2}, False, None, 2),
        ({"device": "cpu"}, True, 4, 1),
        ({"device": "cuda:1"}, True, 4, 1),
    ],
)
def test_a_job_uses_the_cards_that_it_asks_for_where_nobody_says_how_many(options, has_queue, gpus, devices):
    assert RunOptions(1, executor_with(has_queue=has_queue), **options).devices_of(Resources(gpus=gpus)) == devices


def test_each_job_has_the_devices_of_its_own_cards(small, tmp_path, monkeypatch):
    monkeypatch.setattr(start, "_is_made", lambda *_: False)
    layer = ResourceLayer(methods={"ddo": Resources(gpus=4)}, bases={"edm": Resources(gpus=2)})
    options = RunOptions(1, executor_with(has_queue=True), resources=(layer,))
    made = start._schedule(small, small.cells, small.floors, RunsFolder(tmp_path / "runs"), options, lambda _: None)
    ready = made.ready([])
    of_bases = {job.name: job.arguments[-1].devices for job in ready if job.name.startswith("base")}
    assert of_bases == {"base ddpm": 1, "base edm": 2}
