"""Progress on stderr: a line for each finished job; on a terminal, what runs now as well."""

import io
import sys
import time

import pytest

from harness.cli import progress
from harness.cli.progress import line, running_line, show_progress
from harness.run.events import RunEvent
from harness.store.progress import Progress, Reporter
from harness.store.runs_folder import RunsFolder

EVENT = RunEvent("ddpm/ddo/s0: done (w2 0.0247)", 3, 18)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def test_a_finished_job_is_a_line_with_its_number():
    assert line(EVENT) == "[3/18] ddpm/ddo/s0: done (w2 0.0247)"


@pytest.mark.parametrize(
    ("step", "steps", "values", "text"),
    [
        (1200, 2344, {"loss": 0.69314, "lr": 1e-4}, "ddpm/ddo/s0  finetune  1200/2344  loss 0.6931  lr 0.0001  35 s"),
        (0, 0, {}, "ddpm/ddo/s0  finetune  35 s"),
    ],
)
def test_a_running_job_tells_its_stage_how_far_it_is_and_its_last_values(step, steps, values, text):
    assert running_line(Progress("ddpm/ddo/s0", "finetune", step, steps, 35.2, values, pid=1)) == text


def test_a_stage_without_a_name_yet_leaves_no_gap():
    assert running_line(Progress("ddpm/ddo/s0", "", 0, 0, 0.0, {}, pid=1)) == "ddpm/ddo/s0  0 s"


def test_without_a_terminal_there_are_lines_alone(runs, capsys):
    with show_progress(runs) as on_event:
        on_event(EVENT)
    assert capsys.readouterr() == ("", "[3/18] ddpm/ddo/s0: done (w2 0.0247)\n")


def test_on_a_terminal_what_runs_now_stands_below_and_goes_at_the_end(runs, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    reporter = Reporter(runs, "ddpm/ddo/s1")
    reporter.stage("finetune")
    try:
        with show_progress(runs) as on_event:
            on_event(EVENT)
            deadline = time.monotonic() + 10
            while "ddpm/ddo/s1  finetune" not in terminal.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
    finally:
        reporter.end()
    text = terminal.getvalue()
    assert "[3/18] ddpm/ddo/s0: done (w2 0.0247)" in text
    assert "ddpm/ddo/s1  finetune" in text
    assert text.endswith("\x1b[2K")  # the block is erased


def test_an_error_inside_ends_the_drawing(runs, monkeypatch):
    import threading

    monkeypatch.setattr(sys, "stderr", Terminal())
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="a bug"), show_progress(runs):
        raise RuntimeError("a bug")
    assert set(threading.enumerate()) <= before
