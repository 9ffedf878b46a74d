"""The checks of trackers find each broken promise in a tracker that otherwise keeps all of them."""

from typing import Any, ClassVar

import numpy as np
import pytest

from harness import Tracker
from harness.testing.trackers import check_tracker


class Good:
    """Keeps what it is given."""

    runs: ClassVar[list[Any]] = []

    def __init__(self, config, run):
        self.lines = []
        self.runs.append((run, self.lines))

    def log(self, step, images, values):
        self.lines.append(step)

    def finish(self, summary):
        self.lines.append(summary.status)

    def close(self):
        self.lines.append("closed")


class Forward(Good):
    def log(self, step, images, values):
        assert not self.lines or step >= self.lines[-1], "steps must grow"
        super().log(step, images, values)


class Random(Good):
    def close(self):
        np.random.seed(0)


def tracker(cls):
    return Tracker("kept", build=f"test_trackers_of_checks:{cls.__name__}", summary="keeps what it is given")


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "test_trackers_of_checks", sys.modules[__name__])
    Good.runs.clear()


def test_a_good_tracker_passes_and_sees_a_killed_run_go_on():
    check_tracker(tracker(Good))
    assert [(run.name, run.is_resumed) for run, _ in Good.runs] == [("net/fit/s0", False), ("net", False), ("net/fit/s0", True)]
    assert [lines for _, lines in Good.runs] == [
        [100, "closed"], [100, 200, 100, "done", "closed"], [200, 100, "done", "closed"],
    ]  # fmt: skip


def test_steps_may_go_back():
    with pytest.raises(AssertionError, match="steps must grow"):
        check_tracker(tracker(Forward))


def test_global_randomness_is_left_alone():
    with pytest.raises(AssertionError, match="tracker kept changes global randomness"):
        check_tracker(tracker(Random))
