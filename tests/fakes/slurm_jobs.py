"""Jobs for tests of queues: each counts its starts in a folder, and goes on where it was."""

import time
from pathlib import Path

from harness.process import stop
from harness.stages.job_result import INTERRUPTED

WAIT_SECONDS = 240.0


def starts(folder):
    """Return how often a job with this folder has begun."""
    return len(list(Path(folder).glob("start.*")))


def until_second_start(folder):
    """Work until the process is told to stop, and save that; at the second start, end."""
    began = starts(folder) + 1
    (Path(folder) / f"start.{began}").touch()
    if began > 1:
        return f"went on at start {began}"
    end = time.monotonic() + WAIT_SECONDS
    with stop.saves_state():
        while not stop.is_requested():
            assert time.monotonic() < end, "nobody stopped the job"
            time.sleep(0.05)
    return INTERRUPTED


def until_killed(folder):
    """Work on something that is never saved; at the second start, end."""
    began = starts(folder) + 1
    (Path(folder) / f"start.{began}").touch()
    if began == 1:
        time.sleep(WAIT_SECONDS)
    return f"went on at start {began}"


def until_released(folder):
    """Wait for a file."""
    (Path(folder) / f"start.{starts(folder) + 1}").touch()
    end = time.monotonic() + WAIT_SECONDS
    while not (Path(folder) / "release").exists():
        assert time.monotonic() < end, "nobody released the job"
        time.sleep(0.05)
    return "released"
