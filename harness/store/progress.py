"""What each process of a run does now: small files that `run` and `status` show."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

import psutil

from harness.store.runs_folder import RunsFolder

EVERY_SECONDS = 0.5


@dataclass
class Progress:
    """One line of progress.

    Args:
        job: name of the cell or base.
        stage: what it does: base, finetune, sample, measure…
        step, steps: how far; steps is 0 where that is not known.
        seconds: since the stage began in this process.
        values: last logged scalars.
        pid: of the process.
    """

    job: str
    stage: str
    step: int
    steps: int
    seconds: float
    values: dict[str, float]
    pid: int


class Reporter:
    """Writes the progress of this process, at most twice a second; losing a line never stops work."""

    def __init__(self, layout: RunsFolder, job: str) -> None:
        self._path = layout.progress / f"{os.getpid()}.json"
        self._job, self._stage = job, ""
        self._began = self._written = 0.0
        self._handle: int | None = None
        self._length = 0

    def stage(self, stage: str) -> None:
        """A stage begins."""
        self._stage, self._began, self._written = stage, time.monotonic(), 0.0
        self.step(0, 0, {})

    def step(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        """So far in this stage."""
        now = time.monotonic()
        if now - self._written < EVERY_SECONDS:
            return
        self._written = now
        progress = Progress(self._job, self._stage, step, steps, now - self._began, dict(values), os.getpid())
        with suppress(OSError):
            self._write(json.dumps(asdict(progress)).encode())

    def _write(self, line: bytes) -> None:
        # In place: a cell has several stages, and a rename for each takes longer than a short stage. One write of less
        # than a page is seen whole by readers; spaces hide what was longer before.
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._length = max(self._length, len(line))
        os.pwrite(self._handle, line.ljust(self._length), 0)

    def end(self) -> None:
        """The job is over."""
        with suppress(OSError):
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None
            self._path.unlink(missing_ok=True)


def read(layout: RunsFolder) -> list[Progress]:
    """Progress of all living processes, by job. Files of dead ones are removed."""
    found: list[Progress] = []
    for path in layout.progress.glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            progress = Progress(**json.loads(path.read_text()))
            if psutil.pid_exists(progress.pid):
                found.append(progress)
            else:
                path.unlink(missing_ok=True)
    return sorted(found, key=lambda progress: progress.job)
