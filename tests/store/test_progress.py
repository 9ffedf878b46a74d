"""Progress files: at most two writes a second, read whole, and gone when their process is."""

import json
import os
import subprocess
import sys

import pytest

from harness.store.progress import Progress, Reporter, read
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until the test turns it: `clock[0] += seconds`."""
    now = [1000.0]
    monkeypatch.setattr("harness.store.progress.time.monotonic", lambda: now[0])
    return now


def test_a_report_says_what_this_process_does(runs, clock):
    reporter = Reporter(runs, "net/tune/s0")
    reporter.stage("finetune")
    clock[0] += 3
    reporter.step(30, 100, {"loss": 0.25})
    assert read(runs) == [Progress("net/tune/s0", "finetune", 30, 100, 3.0, {"loss": 0.25}, os.getpid())]


def test_a_stage_shows_at_once_and_starts_its_own_clock(runs, clock):
    reporter = Reporter(runs, "job")
    reporter.stage("finetune")
    clock[0] += 0.1
    reporter.stage("sample")
    (shown,) = read(runs)
    assert (shown.stage, shown.step, shown.seconds) == ("sample", 0, 0.0)


def test_steps_within_half_a_second_are_not_written(runs, clock):
    reporter = Reporter(runs, "job")
    reporter.stage("finetune")
    clock[0] += 0.4
    reporter.step(1, 10, {})
    assert read(runs)[0].step == 0
    clock[0] += 0.1
    reporter.step(2, 10, {})
    assert read(runs)[0].step == 2


def test_a_shorter_report_leaves_nothing_of_a_longer_one(runs, clock):
    reporter = Reporter(runs, "job")
    reporter.stage("a stage with a very long name")
    long = (runs.progress / f"{os.getpid()}.json").stat().st_size
    reporter.stage("short")
    assert read(runs)[0].stage == "short"
    assert (runs.progress / f"{os.getpid()}.json").stat().st_size == long  # spaces, which JSON ignores


def test_the_end_of_a_job_removes_its_file_and_the_next_job_writes_again(runs):
    reporter = Reporter(runs, "first")
    reporter.end()  # nothing was written yet
    reporter.stage("base")
    reporter.end()
    assert os.listdir(runs.progress) == []
    Reporter(runs, "second").stage("base")
    assert [shown.job for shown in read(runs)] == ["second"]


def written(runs, job, pid):
    """Write the progress file of another process."""
    runs.progress.mkdir(parents=True, exist_ok=True)
    path = runs.progress / f"{pid}.json"
    path.write_text(json.dumps({"job": job, "stage": "base", "step": 1, "steps": 2, "seconds": 0.5, "values": {}, "pid": pid}))
    return path


def test_living_processes_come_in_the_order_of_their_jobs_and_files_of_dead_ones_are_removed(runs):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = written(runs, "a dead one", ended.pid)
    written(runs, "z", os.getpid())
    written(runs, "b", os.getppid())
    assert [shown.job for shown in read(runs)] == ["b", "z"]
    assert not dead.exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"job": "x"}',
        '{"of": "another version"}',
        "[" * 100_000,
        "\xff",
        '{"job": 3, "stage": "s", "step": 0, "steps": 0, "seconds": 0, "values": {}, "pid": 1}',
        '{"job": "j", "stage": "s", "step": "0", "steps": 0, "seconds": 0, "values": {}, "pid": 1}',
        '{"job": "j", "stage": "s", "step": 0, "steps": 0, "seconds": 0, "values": {}, "pid": 99999999999999999999999}',
    ],
)
def test_a_file_that_cannot_be_read_is_left_out(runs, content):
    written(runs, "good", os.getpid())
    (runs.progress / "1.json").write_text(content)
    assert [shown.job for shown in read(runs)] == ["good"]


def test_without_a_folder_nothing_is_under_way(runs):
    assert read(runs) == []


def test_a_folder_that_cannot_be_made_never_stops_the_work(tmp_path):
    (tmp_path / "progress").write_text("in the way")
    reporter = Reporter(RunsFolder(tmp_path), "job")
    reporter.stage("base")
    reporter.step(1, 2, {})
    reporter.end()
    assert (tmp_path / "progress").read_text() == "in the way"
