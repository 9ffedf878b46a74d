"""Hosts and processes: who is who, and who lives, by the kernel's word alone."""

import os
import signal
import subprocess
import sys
import time

import pytest

from harness.process import host
from harness.process.host import ProcessId, here, is_dead_here


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def id_of(process):
    return ProcessId(here().identity, process.pid, host._start(process.pid) or 0, "000000")


def test_a_host_keeps_its_identity_and_the_variable_gives_another_one(monkeypatch):
    monkeypatch.delenv("HARNESS_HOST", raising=False)
    own = here()
    assert own == here()
    identities = {own.identity}
    for name in ("a", "b"):
        monkeypatch.setenv("HARNESS_HOST", name)
        assert here().name == name
        identities.add(here().identity)
    assert len(identities) == 3


def test_an_id_is_read_back_from_its_text():
    process = ProcessId.new()
    assert ProcessId.of(str(process)) == process
    assert process != ProcessId.new()
    assert [ProcessId.of(text) for text in ("", "1", "1.json", f"{process}.json", f" {process}", "é" * 40)] == [None] * 6


def test_this_process_lives():
    assert ProcessId.new().is_here
    assert ProcessId.new().is_alive


def test_a_killed_process_is_dead_before_its_parent_has_noticed(sleeper):
    process = id_of(sleeper)
    assert process.is_alive
    sleeper.kill()
    deadline = time.monotonic() + 10
    while process.is_alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not process.is_alive
    assert is_dead_here(str(process))
    sleeper.wait()
    assert is_dead_here(str(process))


def test_a_stopped_process_lives(sleeper):
    os.kill(sleeper.pid, signal.SIGSTOP)
    assert id_of(sleeper).is_alive


def test_another_process_with_the_same_number_is_another_one(sleeper):
    process = id_of(sleeper)
    assert not ProcessId(process.identity, process.pid, process.start - 1, process.token).is_alive


def test_of_another_hosts_process_nothing_here_says_that_it_is_dead(sleeper):
    sleeper.kill()
    sleeper.wait()
    assert not is_dead_here(str(ProcessId("0123456789ab", sleeper.pid, 1, "000000")))
    assert not is_dead_here("no id")


def test_the_clock_does_not_matter(monkeypatch, sleeper):
    process = id_of(sleeper)
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert process.is_alive
