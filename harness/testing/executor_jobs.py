"""Jobs for the checks of executors, in a module that every worker can import. Importing this module costs no torch."""

from __future__ import annotations

import os
import time
from pathlib import Path

from harness.process import stop

WAIT_SECONDS = 30.0
"""How long a job waits at most for a request to stop."""


def exit_with(code: int) -> None:
    """Exit like a library that calls `sys.exit`.

    The job is this function and not `sys.exit` itself: some libraries replace that one, and what they replace it with cannot be
    pickled.

    Raises: SystemExit.
    """
    raise SystemExit(code)


def die_with(code: int) -> None:
    """End this process at once, as a crash does."""
    os._exit(code)


def nap(folder: str, name: str, seconds: float) -> str:
    """Leave a mark in a folder, sleep, and leave another mark. Returns: the name."""
    (Path(folder) / f"{name}.began").write_text(repr(time.monotonic()))
    time.sleep(seconds)
    (Path(folder) / f"{name}.ended").write_text(repr(time.monotonic()))
    return name


def until_stopped(folder: str, name: str) -> str:
    """Leave a mark, and work on something that is saved at a stop, until this process is asked to stop. Returns: how it ended."""
    (Path(folder) / f"{name}.began").touch()
    began = time.monotonic()
    with stop.saves_state():  # a job that has nothing to save may be killed
        while not stop.is_requested():
            if time.monotonic() - began > WAIT_SECONDS:
                return "never asked to stop"
            time.sleep(0.02)
    return "asked to stop"
