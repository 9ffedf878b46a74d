"""What the fixture of all tests finds left behind."""

import os
import signal
import sys

import pytest
from process_state import ProcessState


def test_a_process_that_nothing_changed_has_no_changes():
    assert ProcessState().changes() == []


@pytest.mark.parametrize("name", ["exit", "excepthook"])
def test_hooks_that_stay_replaced_are_named(monkeypatch, name):
    before = ProcessState()
    monkeypatch.setattr(sys, name, lambda *_: None)
    assert before.changes() == [f"sys.{name}"]


def test_a_handler_that_stays_is_named():
    before = ProcessState()
    handler = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        assert before.changes() == ["the handler of SIGUSR1"]
    finally:
        signal.signal(signal.SIGUSR1, handler)


def test_variables_of_the_harness_that_are_new_changed_or_gone_are_named(monkeypatch):
    monkeypatch.setenv("HARNESS_GONE", "1")
    monkeypatch.setenv("HARNESS_OTHER", "1")
    before = ProcessState()
    monkeypatch.delenv("HARNESS_GONE")
    monkeypatch.setenv("HARNESS_OTHER", "2")
    monkeypatch.setenv("HARNESS_NEW", "1")
    monkeypatch.setenv("ANOTHER", "1")
    assert before.changes() == [f"the environment variable HARNESS_{name}" for name in ("GONE", "NEW", "OTHER")]
    assert "HARNESS_NEW" in os.environ
