"""Commands and runs in this process, which has imported torch: by an executor that runs one job after the other."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import main
from harness.components import Executor
from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness.store import records

BOARD = """\
title: Tiny
dataset: {name: swiss-roll, train_size: 256}
bases:
  small:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 128, batch: 64}}
training: {images: 256, batch: 64}
methods:
  none:
  mle: {training: {select: best, ema: 0.9}}
  ddo: {method: {name: ddo, rounds: 2, bank_size: 50}}
seeds: [0]
evaluation: {samples: 30, draws: 2, batch: 30}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}, w2: }
curve: {metric: sliced-w2, points: 2, samples: 30}
"""
"""A board of three cells that is run in half a second. It has a bank, a curve and a selection."""


class InProcess:
    """An executor that runs one job after the other, in the process of the command."""

    def run(self, ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None], *, slots: int) -> None:
        ends: list[JobEnd] = []
        while (jobs := ready(ends)) is not None:
            ends = [JobEnd(job, job.function(*job.arguments)) for job in jobs]
            if not jobs:
                time.sleep(0.01)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


def command(*arguments: object) -> Ended:
    """Run `harness` with arguments, as a new process would: with the warnings and the log of a process of its own."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    root, records_warn = logging.getLogger(), records._warn
    before, argv = root.handlers[:], sys.argv
    root.handlers.clear()
    records_warn.cache_clear()
    sys.argv = ["harness", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        code = 1
        err.write(traceback.format_exc())
    finally:
        root.handlers[:], sys.argv = before, argv
    return Ended(code, out.getvalue(), err.getvalue())


def as_user(uid: int, *arguments: object, umask: int = 0o022) -> Ended:
    """Run `harness` in a child process of another user. Modules that the command needs must have been imported by now."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.umask(umask)
            ended = command(*arguments)
            os.write(writing, repr((ended.code, ended.out, ended.err)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return Ended(*eval(content.decode(), {}, {}))


def write_board(folder: Path, text: str = BOARD) -> Path:
    """Write a board's file; returns the board's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.yaml").write_text(text)
    return folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `harness run` run its jobs in this process."""
    run_in_this_process(monkeypatch)


def run_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `harness run` run its jobs in this process, which keeps its signal handlers."""
    monkeypatch.setattr(Executor, "create", lambda *_: InProcess())
    monkeypatch.setattr(stop, "on_signals", lambda: None)
