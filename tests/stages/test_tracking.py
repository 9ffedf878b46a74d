"""Trackers follow the logs of trainings: every line once, over kills and resumes, whatever the tracker does."""

import sys
import threading
import time
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from harness import Tracker
from harness.board.components import Resolved
from harness.config import NoConfig
from harness.stages import jobs, tracking
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.stages.record import record_path
from harness.stages.tracking import Tracking
from harness.store.runs_folder import RunsFolder
from harness.training import training_log
from harness.training.training_log import LogLine, TrainingLog

KEY = "a" * 24
NAME, CONFIG = "small/mle/s0", {"seed": 0}


class Kept:
    """A tracker that keeps its runs in memory."""

    runs: ClassVar[list[Any]] = []
    fails_at = None
    gate: threading.Event | None = None

    def __init__(self, config, run):
        self.run, self.lines, self.summary, self.is_closed = run, [], None, False
        self.runs.append(self)

    def log(self, step, images, values):
        if self.gate is not None:
            self.gate.wait()
        if step == self.fails_at:
            raise OSError(28, "No space left on device")
        self.lines.append((step, dict(values)))

    def finish(self, summary):
        self.summary = summary

    def close(self):
        self.is_closed = True


TRACKER = Tracker("kept", build="kept_runs:Kept", summary="keeps runs")


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    monkeypatch.setitem(sys.modules, "kept_runs", sys.modules[__name__])
    monkeypatch.setattr(jobs, "_CACHE", ProcessCache())
    monkeypatch.setattr(Kept, "runs", [])


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def log(runs):
    """The log of a training that goes on."""
    folder = runs.work("finetune", KEY)
    folder.mkdir(parents=True)
    made = TrainingLog(folder / training_log.FILE, KEY)
    made.begin(None)
    return made


@pytest.fixture
def new_process(runs):
    """The trackers of a job in a new process."""
    return lambda board="tiny": Tracking([Resolved(TRACKER, NoConfig(), "kept", "1/1")], runs, board)


def add(log, *steps):
    for step in steps:
        log.add(LogLine(step, 64 * step, {"loss": 1 / step}))


def steps():
    return [[step for step, _ in run.lines] for run in Kept.runs]


def test_without_trackers_no_thread_starts(runs):
    before = threading.active_count()
    none = Tracking([], runs, "tiny")
    none.follow(NAME, CONFIG, "finetune", KEY)
    none.wake()
    none.close()
    assert threading.active_count() == before


def test_the_lines_of_a_training_are_logged_in_their_order(new_process, log):
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100, 200)
    tracked.wake()
    add(log, 300)
    tracked.close()
    (run,) = Kept.runs
    assert run.lines == [(step, {"loss": 1 / step}) for step in (100, 200, 300)]
    assert (run.is_closed, run.summary) == (True, None)
    assert (run.run.name, run.run.board, run.run.is_resumed, run.run.config) == (NAME, "tiny", False, CONFIG)
    assert {"board": "tiny", "cell": NAME, "seed": "0"}.items() <= run.run.tags.items()


def test_a_killed_training_goes_on_in_its_run_and_no_line_comes_twice(new_process, log):
    first = new_process()
    first.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100, 200, 300)
    first.close()
    log.begin(200, 2)  # the checkpoint was written after step 200
    second = new_process()
    second.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 300, 400)
    second.close()
    assert steps() == [[100, 200, 300], [400]]
    assert Kept.runs[0].run.id == Kept.runs[1].run.id
    assert Kept.runs[1].run.is_resumed


def test_a_tracker_that_is_switched_on_later_gets_the_lines_before(new_process, log):
    add(log, 100, 200)
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    tracked.close()
    assert steps() == [[100, 200]]


def test_a_training_with_other_settings_is_another_run(new_process, log, runs):
    first = new_process()
    first.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100)
    first.close()
    other = "b" * 24
    folder = runs.work("finetune", other)
    folder.mkdir(parents=True)
    changed = TrainingLog(folder / training_log.FILE, other)
    changed.begin(None)
    second = new_process()
    second.follow(NAME, CONFIG, "finetune", other)
    add(changed, 100)
    second.close()
    assert steps() == [[100], [100]]
    assert Kept.runs[0].run.id != Kept.runs[1].run.id


def test_half_a_line_waits_for_its_end(new_process, log):
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100)
    with log.path.open("ab") as file:
        file.write(b'{"step": 200, "images": 1, "val')
    tracked.close()
    assert steps() == [[100]]


def test_a_tracker_that_fails_is_one_line_in_a_run_and_the_cell_goes_on(new_process, log, monkeypatch, caplog):
    monkeypatch.setattr(Kept, "fails_at", 200)
    for name in (NAME, "small/mle/s1"):
        tracked = new_process()
        tracked.follow(name, CONFIG, "finetune", KEY)
        add(log, 100, 200, 300)
        tracked.close()
        tracked.wake()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "tracker kept: OSError: [Errno 28] No space left on device; cells go on without it"
    assert [run.is_closed for run in Kept.runs] == [True, True]


def test_a_tracker_that_hangs_is_left(new_process, log, monkeypatch, caplog):
    monkeypatch.setattr(tracking, "CLOSE_SECONDS", 0.1)
    gate = threading.Event()
    monkeypatch.setattr(Kept, "gate", gate)
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100)
    tracked.close()
    gate.set()
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("tracker kept: it is still busy 0 s after the end of the job, and is left")


def test_a_job_waits_less_where_a_tracker_has_failed_in_the_run(new_process, log, monkeypatch):
    monkeypatch.setattr(tracking, "CLOSE_SECONDS", 60)
    monkeypatch.setattr(tracking, "CLOSE_SECONDS_AGAIN", 0.1)
    monkeypatch.setattr(Kept, "fails_at", 100)
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100)
    tracked.close()
    gate = threading.Event()
    monkeypatch.setattr(Kept, "gate", gate)
    hanging = new_process()
    hanging.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 200)
    started = time.monotonic()
    hanging.close()
    assert time.monotonic() - started < 30
    gate.set()


def test_a_tracker_that_cannot_be_opened_is_one_line(new_process, log, monkeypatch, caplog):
    monkeypatch.setattr(Kept, "__init__", lambda *_: sys.exit("no account"))
    tracked = new_process()
    tracked.follow(NAME, CONFIG, "finetune", KEY)
    add(log, 100)
    tracked.close()
    assert [record.getMessage() for record in caplog.records] == ["tracker kept: SystemExit: no account; cells go on without it"]


@pytest.fixture
def run_cell(cells, runs):
    """Run a cell with a tracker, in this process; returns its record's path."""

    def run(name=NAME, **changes):
        options = JobOptions("cpu", board="tiny", log_every=2, trackers=(Resolved(TRACKER, NoConfig(), "kept", "1/1"),))
        cell = cells[name] if not changes else replace(cells[name], **changes)
        jobs.run_cell(cell, runs, options)
        return record_path(cell, runs)

    return run


def test_a_cell_ends_with_its_metrics_and_its_base_is_a_run_of_its_own(run_cell):
    from harness.store.records import load_record

    record = load_record(run_cell())
    runs = {run.run.name: run for run in Kept.runs}
    assert set(runs) == {"small", NAME}
    assert [step for step, _ in runs[NAME].lines] == [2, 4]
    assert runs[NAME].summary.metrics == {"sliced-w2": record.metrics["sliced-w2"].mean}
    assert runs[NAME].summary.costs["steps"] == 4
    assert runs[NAME].summary.facts["key"] == record.key
    assert (runs["small"].summary.status, runs["small"].summary.steps) == ("done", 2)
    assert all(run.is_closed for run in Kept.runs)


def test_a_cell_that_was_killed_after_its_training_gets_its_lines_and_metrics(run_cell, cells, runs):
    cell = cells[NAME]
    run_cell()
    record_path(cell, runs).unlink()
    runs.tracked("kept", "tiny", NAME).unlink()
    Kept.runs.clear()
    run_cell()
    (run,) = Kept.runs
    assert [step for step, _ in run.lines] == [2, 4]
    assert run.summary.status == "done"


def test_a_cell_that_trains_nothing_is_a_run_with_its_metrics(run_cell):
    run_cell("small/none/s0")
    run = next(run for run in Kept.runs if run.run.name == "small/none/s0")
    assert (run.lines, run.summary.status) == ([], "done")
