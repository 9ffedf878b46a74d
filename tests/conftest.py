"""What all tests share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.process import stop

# Fake components and the fixtures of boards made of them.
sys.path.insert(0, str(Path(__file__).parent / "fakes"))
pytest_plugins = ["board_fixtures", "search_boards"]

# As workers do: a second thread gains nothing on small networks, and costs much beside another process.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Commands that run in the process of the tests set handlers of signals: the next test finds those from before."""
    before = [(number, signal.getsignal(number)) for number in stop.SIGNALS]
    yield
    for number, handler in before:
        signal.signal(number, handler)
    stop.clear()
