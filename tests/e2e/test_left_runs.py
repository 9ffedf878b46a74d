"""Runs that outlive their terminal, in real processes: started, followed, cancelled from another host, killed and taken over."""

import os
import signal
import time
from contextlib import suppress

import psutil
import pytest

from harness.store.commands import commands
from harness.store.runs_folder import RunsFolder

ONLY = ("--only", "method=none,mle", "--seeds", "0")
SECONDS = 300
LONG = """\
title: Long
dataset: {name: swiss-roll, train_size: 1000}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4, width: 32}
    pretrain: {method: mle, training: {images: 6400, batch: 64}}
training: {images: 256000, batch: 64}
methods: {none: {}, mle: {}}
seeds: [0]
evaluation: {samples: 200, draws: 2, batch: 200}
floor: {pairs: 2}
metrics: {sliced-w2: {}}
"""
"""A board whose only training takes half a minute on a core that is free."""


@pytest.fixture
def detached(command):
    """Start a run that goes on by itself; at the end of the test its session is killed. Returns: its file."""
    command.environment["HARNESS_BEAT_SECONDS"] = "0.5"
    started = []

    def start(*arguments):
        process = command.run("--detach", *arguments)
        assert process.returncode == 0, process.stderr
        assert "harness cancel" in process.stdout
        started.extend(commands(RunsFolder(command.runs)))
        return started[-1]

    yield start
    for run in started:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)


def until(is_true):
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_alive(run):
    return psutil.pid_exists(run.pid) and psutil.Process(run.pid).status() != psutil.STATUS_ZOMBIE


def is_training(command):
    return any(command.runs.glob("work/finetune-*/step-*"))


@pytest.mark.long
def test_a_run_is_left_followed_and_cancelled_from_another_host(command, detached):
    command.write_board(LONG)
    run = detached("--checkpoint-seconds", "0.1", *ONLY)
    second = command.start(*ONLY)  # follows the first; its Ctrl-C leaves that one alone
    for line in second.stderr:
        if "follows it" in line:
            break
    os.kill(second.pid, signal.SIGINT)
    _, err = second.communicate()
    assert second.returncode == 130
    assert "which goes on" in err
    assert is_alive(run)
    until(lambda: is_training(command))
    command.environment["HARNESS_HOST"] = "another"
    told = command.call("cancel", str(command.board), "--runs-dir", str(command.runs))
    assert told.stdout.startswith("asked the run of process ")
    del command.environment["HARNESS_HOST"]
    until(lambda: not is_alive(run))
    assert "cancelled by" in (command.runs / "commands" / f"{run.id}.log").read_text()
    assert is_training(command)  # what was done is kept
    assert commands(RunsFolder(command.runs)) == []


@pytest.mark.long
def test_the_run_of_a_killed_command_is_collected_and_taken_over(command, detached):
    command.write_board(LONG)
    run = detached("--checkpoint-seconds", "0.1", *ONLY)
    until(lambda: is_training(command))
    os.kill(run.pid, signal.SIGKILL)
    until(lambda: not is_alive(run))
    where = [str(command.board), "--runs-dir", str(command.runs)]
    assert "a run has died" in command.call("status", *where).stdout
    collected = command.call("run", *where, "--collect", *ONLY)
    assert collected.returncode == 1
    assert "its process died" in collected.stderr
    ended = command.run(*ONLY)
    assert ended.returncode == 0, ended.stderr
    assert {name: command.record(name)["status"] for name in ("small/none/s0", "small/mle/s0")} == {
        "small/none/s0": "done", "small/mle/s0": "done",
    }  # fmt: skip
    assert list((command.runs / "commands").glob("*.json")) == []
    log = command.call("logs", "small/mle/s0", "--runs-dir", str(command.runs))
    assert "=== finished after" in log.stdout


def test_faults_of_a_detached_start_come_back_at_once(command):
    command.write_board("title: Tiny\nmethods: {mle: {lr: -1}}\n")
    ended = command.run("--detach")
    assert ended.returncode == 2
    assert "error: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((command.runs / "commands").iterdir()) == []
