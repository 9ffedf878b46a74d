"""What a piece of work leaves behind in its process is found and named."""

import io
import locale
import logging
import os
import signal
import sys
import threading
import time
import warnings

import pytest

from harness.process import process_state
from harness.process.process_state import ProcessState


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


def test_variables_that_are_new_changed_or_gone_are_named(monkeypatch):
    monkeypatch.setenv("HARNESS_GONE", "1")
    monkeypatch.setenv("HARNESS_OTHER", "1")
    before = ProcessState()
    monkeypatch.delenv("HARNESS_GONE")
    monkeypatch.setenv("HARNESS_OTHER", "2")
    monkeypatch.setenv("HARNESS_NEW", "1")
    assert before.changes() == [f"the environment variable HARNESS_{name}" for name in ("GONE", "NEW", "OTHER")]


CHANGES = {
    "the working directory": lambda: os.chdir("/"),
    "the umask": lambda: os.umask(0o027),
    "sys.path": lambda: sys.path.append("/nowhere"),
    "sys.stdout": lambda: setattr(sys, "stdout", io.StringIO()),
    "the filters of warnings": lambda: warnings.simplefilter("ignore"),
    "the recursion limit": lambda: sys.setrecursionlimit(5000),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale.setlocale(locale.LC_ALL) == "C" else "C"),
    "the root logger": lambda: logging.disable(logging.ERROR),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each change is made in a fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("name", CHANGES)
def test_what_stays_changed_is_named(name):
    process = os.fork()
    if process == 0:
        before = ProcessState()
        CHANGES[name]()
        os._exit(0 if before.changes() == [name] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_thread_that_runs_on_is_named_until_it_ends(monkeypatch):
    monkeypatch.setattr(process_state, "ENDING_SECONDS", 0.01)
    before, end = ProcessState(), threading.Event()
    thread = threading.Thread(target=end.wait, name="listener")
    thread.start()
    assert before.changes() == ["the thread listener, which runs on"]
    end.set()
    thread.join()
    assert before.changes() == []


def test_a_thread_that_was_told_to_end_gets_a_moment_to_do_so():
    before, end = ProcessState(), threading.Event()
    threading.Thread(target=lambda: end.wait() and time.sleep(0.05)).start()
    end.set()
    assert before.changes() == []
