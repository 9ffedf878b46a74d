"""Requests to stop concern the commands that they name, and the jobs."""

import time

import pytest

from harness.errors import Interrupted
from harness.process import stop
from harness.store import cancels
from harness.store.cancels import Cancels, ask, obeyed
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path)


def test_a_request_concerns_the_commands_that_it_names(runs, monkeypatch):
    monkeypatch.setenv("HARNESS_HOST", "node3")
    own, other, none = Cancels(runs, "own"), Cancels(runs, "other"), Cancels(runs, "")
    assert [own.look(), other.look(), none.look()] == [False, False, False]
    ask(runs, ["own"], None)
    assert [own.look(), other.look(), none.look()] == [True, False, False]
    assert own.of_all.by.endswith(" on node3")
    assert own.of_job("any") is own.of_all
    assert not own.look()  # nothing new


def test_a_request_can_concern_some_jobs(runs):
    own = Cancels(runs, "own")
    ask(runs, ["own"], ["net/ddo/s0"])
    assert own.look()
    assert own.of_all is None
    assert own.of_job("net/ddo/s0") is not None
    assert own.of_job("net/ddo/s1") is None


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def looked(runs, monkeypatch):
    """A function: how often a command looks in two minutes, with so many commands in the folder."""

    def looked(others):
        clock, looks = Clock(), []
        monkeypatch.setattr(cancels, "time", clock)
        monkeypatch.setattr(Cancels, "look", lambda _: bool(looks.append(clock.now)))
        runs.commands.mkdir(parents=True, exist_ok=True)
        for number in range(others):
            (runs.commands / f"{number}.json").touch()
        own = Cancels(runs, "own")
        for _ in range(1200):
            own.look_now_and_then()
            clock.now += 0.1
        return len(looks)

    return looked


def test_two_hundred_commands_look_two_or_three_times_a_second_together(looked, monkeypatch):
    monkeypatch.setenv("HARNESS_HOST", "node3")
    assert looked(2) == pytest.approx(120, abs=12)  # each second
    assert looked(200) == 2  # so 200 commands look 400 times in 120 s


def test_a_folder_of_this_host_alone_is_looked_at_each_second(looked):
    assert looked(200) == pytest.approx(120, abs=12)


def test_a_damaged_request_concerns_nobody(runs):
    runs.cancels.mkdir(parents=True)
    (runs.cancels / "x.json").write_text('{"commands": 3}')
    assert not Cancels(runs, "own").look()


def test_a_job_that_was_cancelled_before_it_began_does_not_begin(runs):
    ask(runs, ["own"], ["net/ddo/s0"])
    with pytest.raises(Interrupted), obeyed(runs, "own", "net/ddo/s0"):
        pytest.fail("it began")
    with obeyed(runs, "own", "net/ddo/s1"):
        assert not stop.is_requested()


def test_a_running_job_stops_within_some_beats(runs, monkeypatch):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", "0.01")
    with obeyed(runs, "own", "net/ddo/s0"):
        assert not stop.is_requested()
        ask(runs, ["own"], None)
        deadline = time.monotonic() + 10
        while not stop.is_requested() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stop.is_requested()
    assert not stop.is_requested()
