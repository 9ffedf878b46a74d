"""Progress files: at most two writes a second, read whole, and gone when their process is."""

import json
import os
import subprocess
import sys

import pytest

from harness.process.host import ProcessId, here
from harness.store.beats import VARIABLE
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
    (shown,) = read(runs)
    assert shown == Progress(
        "net/tune/s0", "finetune", 30, 100, 3.0, {"loss": 0.25}, os.getpid(), here().name, job_id="", id=shown.id
    )
    process = ProcessId.of(shown.id)
    assert (process.pid, process.is_here, process.is_alive) == (os.getpid(), True, True)


def test_a_report_tells_the_speed_and_the_time_left_of_the_stage(runs, clock):
    reporter = Reporter(runs, "net/tune/s0")
    reporter.stage("finetune")
    clock[0] += 60  # loading, and the steps up to the checkpoint, say nothing about the speed
    reporter.step(500, 1000, {}, images_per_step=64)
    assert (read(runs)[0].images_per_second, read(runs)[0].seconds_left) == (None, None)
    clock[0] += 10
    reporter.step(600, 1000, {}, images_per_step=64)
    assert (read(runs)[0].images_per_second, read(runs)[0].seconds_left) == (640.0, 40.0)
    reporter.stage("measure")
    for step in (1, 2):
        clock[0] += 5
        reporter.step(step, 0, {})
    assert (read(runs)[0].images_per_second, read(runs)[0].seconds_left) == (None, None)


def test_a_report_in_a_queue_has_the_jobs_id(runs, monkeypatch):
    monkeypatch.setattr("harness.process.worker._job_id", "4711_3")
    reporter = Reporter(runs, "job")
    reporter.stage("base")
    assert [shown.job_id for shown in read(runs)] == ["4711_3"]
    reporter.end()


def test_where_other_hosts_share_the_folder_steps_are_written_once_a_beat(runs, clock, monkeypatch):
    monkeypatch.setenv("HARNESS_HOST", "a-host")
    monkeypatch.setenv(VARIABLE, "20")
    reporter = Reporter(runs, "job")
    reporter.stage("finetune")
    for _ in range(3):
        clock[0] += 9
        reporter.step(int(clock[0] - 1000), 100, {})
    assert read(runs)[0].step == 27
    assert read(runs)[0].host == "a-host"
    reporter.end()


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
    (file,) = runs.workers.iterdir()
    reporter.step(0, 0, {})
    clock[0] += 1
    reporter.step(1, 2, {f"a scalar with a long name {number}": 0.1 for number in range(100)})
    long = file.stat().st_size
    assert long > 1024
    reporter.stage("short")
    assert read(runs)[0].stage == "short"
    assert file.stat().st_size == long  # spaces, which JSON ignores


def test_the_end_of_a_job_removes_its_file_and_the_next_job_writes_again(runs):
    reporter = Reporter(runs, "first")
    reporter.end()  # nothing was written yet
    reporter.stage("base")
    reporter.end()
    assert os.listdir(runs.workers) == []
    second = Reporter(runs, "second")
    second.stage("base")
    assert [shown.job for shown in read(runs)] == ["second"]
    second.end()


def written(runs, job, pid, identity=None):
    """Write the progress file of another process."""
    runs.workers.mkdir(parents=True, exist_ok=True)
    path = runs.workers / f"{ProcessId(identity or here().identity, pid, 0, '0a1b2c')}.json"
    path.write_text(json.dumps({"job": job, "stage": "base", "step": 1, "steps": 2, "seconds": 0.5, "values": {}, "pid": pid}))
    return path


def test_living_processes_come_in_the_order_of_their_jobs_and_files_of_dead_ones_are_removed(runs):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = written(runs, "a dead one", ended.pid)
    written(runs, "z", os.getpid())
    written(runs, "b", os.getppid())
    elsewhere = written(runs, "on another host", ended.pid, identity="0123456789ab")
    assert [shown.job for shown in read(runs)] == ["b", "on another host", "z"]
    assert (dead.exists(), elsewhere.exists()) == (False, True)


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
        '{"job": "j", "stage": "s", "step": 0, "steps": 0, "seconds": 0, "values": {}, "pid": 1, "host": 3}',
    ],
)
def test_a_file_that_cannot_be_read_is_left_out(runs, content):
    written(runs, "good", os.getpid())
    (runs.workers / "0123456789ab-1-0-0a1b2c.json").write_text(content)
    assert [shown.job for shown in read(runs)] == ["good"]


def test_without_a_folder_nothing_is_under_way(runs):
    assert read(runs) == []


def test_a_folder_that_cannot_be_made_never_stops_the_work(tmp_path):
    (tmp_path / "workers").write_text("in the way")
    reporter = Reporter(RunsFolder(tmp_path), "job")
    reporter.stage("base")
    reporter.step(1, 2, {})
    reporter.end()
    assert (tmp_path / "workers").read_text() == "in the way"
