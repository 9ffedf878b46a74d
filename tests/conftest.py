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

from process_state import ProcessState

from harness.process import stop

pytest_plugins = ["board_fixtures", "search_boards"]

# As workers do: a second thread gains nothing on small networks, and costs much beside another process.
torch.set_num_threads(1)

HANDLERS = [(number, signal.getsignal(number)) for number in stop.SIGNALS]
"""The handlers before any test. A command that a fixture of a module runs has its own before the first test of the module."""


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """Fail a test that leaves hooks, handlers of signals or settings of the harness behind: the next test is another one's.

    What every command sets when it runs in the process of the tests is put back: handlers of signals, and typer's excepthook.
    """
    before = ProcessState()
    yield
    for number, handler in HANDLERS:
        signal.signal(number, handler)
    stop.clear()
    if sys.excepthook.__module__.startswith("typer"):
        sys.excepthook = before.excepthook
    if changed := before.changes():
        pytest.fail(f"the test left its process changed: {', '.join(changed)}")
