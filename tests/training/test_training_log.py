"""The log of a training: a resumed training leaves the same lines as an undisturbed one, none twice and none lost."""

import json
import os

import pytest
import torch

from harness.errors import Interrupted, UserError
from harness.process import stop
from harness.store.files import StorageError
from harness.training.surroundings import Surroundings
from harness.training.training_log import LogLine, TrainingLog, keep_log, read_log

STEPS = 7


@pytest.fixture
def log(tmp_path):
    return TrainingLog(tmp_path / "work" / "log.jsonl", "key")


def test_lines_come_back_as_they_were(log):
    log.begin(None)
    lines = [LogLine(2, 8, {"loss": 0.5, "accuracy": 1.0}), LogLine(2, 8, {"curve": 1e-7})]
    for line in lines:
        log.add(line)
    assert read_log(log.path, "key") == lines
    assert json.loads(log.path.read_text().splitlines()[0]) == {"training": "key"}


def test_a_log_goes_on_after_the_checkpoints_step(log):
    log.begin(None)
    for step in (1, 2, 3):
        log.add(LogLine(step, 4 * step, {"loss": float(step)}))
    log.begin(2)
    assert [line.step for line in read_log(log.path, "key")] == [1, 2]
    log.add(LogLine(3, 12, {"loss": 9.0}))
    assert [line.values["loss"] for line in read_log(log.path, "key")] == [1.0, 2.0, 9.0]
    log.begin(None)
    assert read_log(log.path, "key") == []


@pytest.mark.parametrize("damage", [
    "", "[]", "{", '{"training": "other"}\n{"step": 1, "images": 4, "values": {}}', "\x00" * 40, "[" * 100_000,
])  # fmt: skip
def test_what_is_no_log_of_this_training_has_no_lines(log, damage):
    log.path.parent.mkdir()
    log.path.write_text(damage)
    assert read_log(log.path, "key") == []
    assert read_log(log.path.with_name("absent"), "key") == []


def test_a_pipe_in_the_place_of_a_log_is_refused_and_not_waited_for(log):
    log.path.parent.mkdir()
    os.mkfifo(log.path)
    with pytest.raises(UserError, match=r"log\.jsonl: a pipe or a device stands where a file must be; move it away"):
        read_log(log.path, "key")


def test_a_log_is_read_up_to_the_largest_size(log, monkeypatch):
    log.begin(None)
    log.add(LogLine(1, 4, {"loss": 1.0}))
    size = log.path.stat().st_size
    monkeypatch.setattr("harness.training.training_log.LARGEST", size)
    assert len(read_log(log.path, "key")) == 1
    monkeypatch.setattr("harness.training.training_log.LARGEST", size - 1)
    assert read_log(log.path, "key") == []


@pytest.mark.parametrize(
    "line", ["{", "7", '{"step": 2}', '{"step": 2, "images": 8, "values": {"loss": [1]}}', "\x00\x00", "[" * 9999]
)
def test_a_damaged_line_is_left_out(log, line):
    log.begin(None)
    log.add(LogLine(1, 4, {"loss": 1.0}))
    with log.path.open("a") as file:
        file.write(line)
    assert [found.step for found in read_log(log.path, "key")] == [1]
    log.begin(5)
    log.add(LogLine(6, 24, {"loss": 2.0}))
    assert [found.step for found in read_log(log.path, "key")] == [1, 6]


def test_a_folder_that_takes_no_log_is_named(log):
    log.path.parent.write_text("a file in the place of a folder")
    with pytest.raises(StorageError, match=str(log.path)):
        log.begin(None)


def test_the_log_is_kept_with_the_output(log, tmp_path):
    log.begin(None)
    log.add(LogLine(1, 4, {"loss": 1.0}))
    keep_log(log, tmp_path)
    keep_log(None, tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() == log.path.read_bytes()


@pytest.fixture
def whole(make_loop, tmp_path):
    """The text of an undisturbed training's log."""
    return logged(make_loop, tmp_path, "whole").path.read_text()


def logged(make_loop, tmp_path, folder, at=lambda _: None, **options):
    """Train with a log of every third step, until `at`, which is called before each step, raises."""
    log = TrainingLog(tmp_path / folder / "log.jsonl", "key")
    loop = make_loop(folder, runs=f"{folder}-runs", **options)
    loop.around = Surroundings(tmp_path / folder, options.get("seconds", 1e9), log_every=3, log=log)
    loop.method.before = at
    loop.run()
    return log


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def test_a_training_logs_means_and_the_curve(whole):
    lines = [json.loads(line) for line in whole.splitlines()[1:]]
    assert [(line["step"], line["images"], *line["values"]) for line in lines] == [
        (0, 0, "curve"), (2, 8, "curve"), (3, 12, "loss"), (5, 20, "curve"), (6, 24, "loss"), (7, 28, "loss"), (7, 28, "curve"),
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [-1.0, 1e9])
@pytest.mark.parametrize("step", range(STEPS))
def test_a_kill_in_any_step_changes_no_line(make_loop, tmp_path, whole, step, seconds):
    """With a checkpoint after each step, and with none."""

    def die(index):
        if index == step:
            raise Killed

    with pytest.raises(Killed):
        logged(make_loop, tmp_path, "work", die, seconds=seconds)
    assert logged(make_loop, tmp_path, "work").path.read_text() == whole


@pytest.mark.parametrize("step", range(STEPS - 1))
def test_a_stop_after_any_step_changes_no_line(make_loop, tmp_path, whole, step):
    with pytest.raises(Interrupted):
        logged(make_loop, tmp_path, "work", lambda index: stop.request() if index == step else None)
    stop.clear()
    assert logged(make_loop, tmp_path, "work").path.read_text() == whole


def test_the_log_changes_no_weight(make_loop, tmp_path):
    loop = make_loop("plain", runs="plain-runs")
    plain = loop.run().weights
    log = TrainingLog(tmp_path / "log.jsonl", "key")
    other = make_loop("logged", runs="logged-runs", log=log).run().weights
    assert all(torch.equal(plain[name], other[name]) for name in plain)
