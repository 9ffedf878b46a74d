"""Progress of the processes of a run. Each process writes a small file, which `harness run` and `harness status` show."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import msgspec
import psutil

from harness.store.files import FILE_BITS
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder

EVERY_SECONDS = 0.5
"""The least time between two writes of one process within a stage."""

LARGEST = 2**16
"""Bytes of the largest file of progress that is read."""


@dataclass
class Progress:
    """The work of a process at this moment.

    Args:
        job: name of the cell or base.
        stage: name of the stage: base, finetune, sample, measure…
        step, steps: steps done and steps in all; steps is 0 where the total is not known.
        seconds: time since the stage began in this process.
        values: the last logged scalars.
        pid: id of the process.
    """

    job: str
    stage: str
    step: int
    steps: int
    seconds: float
    values: dict[str, float]
    pid: int


class Reporter:
    """Writes the progress of this process to its file, at each stage's start and then at most twice a second.

    A write that fails never stops the work.
    """

    def __init__(self, runs: RunsFolder, job: str) -> None:
        self._path = runs.progress / f"{os.getpid()}.json"
        self._job, self._stage = job, ""
        self._stage_began = self._written = 0.0
        self._handle: int | None = None
        self._length = 0

    def stage(self, stage: str) -> None:
        """Report that a stage begins."""
        self._stage, self._stage_began, self._written = stage, time.monotonic(), 0.0
        self.step(0, 0, {})

    def step(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        """Report the steps of the current stage so far, unless the last report was just now."""
        now = time.monotonic()
        if now - self._written < EVERY_SECONDS:
            return
        self._written = now
        progress = Progress(self._job, self._stage, step, steps, now - self._stage_began, dict(values), os.getpid())
        with suppress(OSError):
            self._write(json.dumps(asdict(progress)).encode())

    def _write(self, line: bytes) -> None:
        # The file is overwritten in place: a cell has several stages, and one rename can take longer than a short stage.
        # Readers see a single write of less than a page as a whole. Spaces at its end cover the rest of a longer earlier line.
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_BITS)
        self._length = max(self._length, len(line))
        os.pwrite(self._handle, line.ljust(self._length), 0)

    def end(self) -> None:
        """Remove the file: the job is over."""
        with suppress(OSError):
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
            self._path.unlink(missing_ok=True)


def read(runs: RunsFolder) -> list[Progress]:
    """Return the progress of all living processes, sorted by job. Files that dead processes left are removed."""
    living: list[Progress] = []
    for path in runs.progress.glob("*.json"):
        with suppress(OSError, ValueError, OverflowError, RecursionError, msgspec.ValidationError):
            progress = msgspec.convert(json.loads(read_bytes(path, largest=LARGEST)), Progress)
            if psutil.pid_exists(progress.pid):
                living.append(progress)
            else:
                path.unlink(missing_ok=True)
    return sorted(living, key=lambda progress: progress.job)
