"""Signals to the command, its fork server or its jobs at seeded moments; then the same command again: the same bits.

A signal may end a run or not. It may never end one with 0 while a cell is to run, leave a traceback, or change a number.
"""

import contextlib
import random
import signal
import time

import psutil
import pytest
from run_processes import servers_of

CELLS = ("--jobs", "2", "--seeds", "0", "--checkpoint-seconds", "0.1")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TARGETS = ("command", "server", "job")


def target_of(run, name, moment):
    """Return a process of the run: the command, its fork server, or one of its jobs; None where there is none now."""
    try:
        command = psutil.Process(run.pid)
        servers = servers_of(command)
        jobs = [job for server in servers for job in server.children()]
    except psutil.NoSuchProcess:
        return None
    found = {"command": [command], "server": servers, "job": jobs}[name]
    return moment.choice(found) if found else None


def disturb(command, moment, notes):
    """Start the run, send one signal at a seeded moment, and wait for the end."""
    name, number, delay = moment.choice(TARGETS), moment.choice(SIGNALS), moment.uniform(0, 12)
    run = command.start(*CELLS)
    end = time.monotonic() + delay
    while time.monotonic() < end and run.poll() is None:
        time.sleep(0.01)
    target = target_of(run, name, moment)
    if target is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            target.send_signal(number)
    _, err = run.communicate(timeout=600)
    notes.append((name, number.name, round(delay, 2), run.returncode))
    assert "Traceback" not in err, (notes, err)
    assert run.returncode in {0, 1, 130, -number}, (notes, err)
    if run.returncode == 0:
        assert len([file for file in command.records() if "__s0" in file]) == 5, notes


def check(command, undisturbed, seed, kills):
    moment, notes = random.Random(seed), []
    for _ in range(kills):
        disturb(command, moment, notes)
    ended = command.run(*CELLS)
    assert ended.returncode == 0, (notes, ended.stderr)
    assert " is damaged " not in ended.stderr
    expected = undisturbed.command.results()
    assert len(command.results()) == 5 + 2, notes  # cells and floors
    assert command.results() == {name: expected[name] for name in command.results()}, notes


def test_signals_at_seeded_moments_change_no_number(command, undisturbed):
    check(command, undisturbed, 0, kills=3)


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(1, 21))
def test_a_hundred_signals_at_seeded_moments_change_no_number(command, undisturbed, seed):
    check(command, undisturbed, seed, kills=5)
