"""What all tests share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

# Fake components and the fixtures of boards made of them.
sys.path.insert(0, str(Path(__file__).parent / "fakes"))

from harness.process import stop
from harness.process.process_state import ProcessState

pytest_plugins = ["board_fixtures", "search_boards"]

# As workers do: a second thread gains nothing on small networks, and costs much beside another process.
torch.set_num_threads(1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs in the background deaf to Ctrl-C, which tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)
HANDLERS = [(number, signal.getsignal(number)) for number in stop.SIGNALS]
"""The handlers before any test. A command that a fixture of a module runs has its own before the first test of the module."""


LEFT = ("sys.exit", "sys.excepthook", "the environment variable HARNESS_")
"""Beginnings of what a test must not leave changed. pytest has sys.stdout and the filters of warnings in hand."""
UNHEEDED = frozenset({"SIGALRM", "SIGCHLD", *(number.name for number in stop.SIGNALS)})
"""Signals whose handlers may stay: the limit on the time of a test has SIGALRM, and whatever reads data in processes of its own
leaves its handler of SIGCHLD; those of `stop` are put back."""


def is_left(change: str) -> bool:
    """Return whether a test fails that leaves this behind."""
    signal_name = change.removeprefix("the handler of ")
    return change.startswith(LEFT) or (signal_name != change and signal_name not in UNHEEDED)


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Fail a test that leaves hooks, handlers of signals or settings of the harness behind: the next test is another one's.

    What every command sets when it runs in the process of the tests is put back: handlers of signals, and typer's excepthook.
    """
    before, excepthook = ProcessState(), sys.excepthook
    yield
    for number, handler in HANDLERS:
        signal.signal(number, handler)
    stop.clear()
    if sys.excepthook.__module__.startswith("typer"):
        sys.excepthook = excepthook
    if changed := [change for change in before.changes() if is_left(change)]:
        pytest.fail(f"the test left its process changed: {', '.join(changed)}")
