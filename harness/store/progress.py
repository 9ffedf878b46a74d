"""Progress of the processes of a run. Each process writes a small file, which `harness run` and `harness status` show.

The file is also the heartbeat of the process: see `harness.store.workers`.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from harness.process.host import ProcessId, is_dead_here
from harness.store.beats import progress_seconds
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder
from harness.store.workers import SUFFIX, Worker, this_worker

LARGEST = 2**16
"""Bytes of the largest file of progress that is read."""
RECENT_REPORTS = 20
"""Reports over which the speed is measured: it follows a machine that slows down."""


@dataclass
class Progress:
    """The work of a process at this moment.

    Args:
        job: name of the cell or base.
        stage: name of the stage: base, finetune, sample, measure…
        step, steps: steps done and steps in all; steps is 0 where the total is not known.
        seconds: time since the stage began in this process.
        values: the last logged scalars.
        pid: id of the process, on its host.
        host: name of the host.
        job_id: id of the process's job in the queue of its cluster; "" where there is no queue.
        images_per_second: None where it is not known yet, and in stages without images.
        seconds_left: until the end of the stage, at the speed so far; None where it is not known.
        id: tells the process from all others: `harness.process.host.ProcessId`.
    """

    job: str
    stage: str
    step: int
    steps: int
    seconds: float
    values: dict[str, float]
    pid: int
    host: str = ""
    job_id: str = ""
    images_per_second: float | None = None
    seconds_left: float | None = None
    id: str = ""


class Reporter:
    """Writes the progress of this process to its file, at each stage's start and then now and then.

    Where the folder belongs to this host alone, that is twice a second at most; where other hosts may share it, once a beat. A
    write that fails never stops the work.
    """

    def __init__(self, runs: RunsFolder, job: str) -> None:
        self._runs, self._job, self._stage = runs, job, ""
        self._worker: Worker | None = None
        self._stage_began = self._written = 0.0
        self._images_per_step: float | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT_REPORTS)

    def stage(self, stage: str) -> None:
        """Report that a stage begins."""
        self._stage, self._stage_began = stage, time.monotonic()
        self._images_per_step = None
        self._recent.clear()
        self._write(0, 0, {})

    def step(self, step: int, steps: int, values: Mapping[str, float], *, images_per_step: float | None = None) -> None:
        """Report the steps of the current stage so far, unless the last report was just now.

        Args:
            images_per_step: images that a step works on; None in stages without images.
        """
        now = time.monotonic()
        self._images_per_step = images_per_step
        if now - self._written >= progress_seconds(self._runs.workers):
            self._recent.append((now, step))
            self._write(step, steps, values)

    def _write(self, step: int, steps: int, values: Mapping[str, float]) -> None:
        now = self._written = time.monotonic()
        speed = self._steps_per_second()
        of_images = None if speed is None or self._images_per_step is None else speed * self._images_per_step
        seconds_left = (steps - step) / speed if speed and steps >= step > 0 else None
        if self._worker is None:
            worker = this_worker(self._runs.workers)
            with suppress(OSError):
                worker.use()
                self._worker = worker
        if self._worker is not None:
            progress = Progress(
                self._job, self._stage, step, steps, now - self._stage_began, dict(values), 0,
                images_per_second=of_images, seconds_left=seconds_left,
            )  # fmt: skip
            self._worker.tell({name: value for name, value in asdict(progress).items() if name not in _OF_WORKER})

    def _steps_per_second(self) -> float | None:
        """Return the speed over the last reports; None before there are two. What came before the first step does not count."""
        if len(self._recent) < 2:
            return None
        (first, first_step), (last, last_step) = self._recent[0], self._recent[-1]
        return (last_step - first_step) / (last - first) if last > first and last_step > first_step else None

    def end(self) -> None:
        """Remove the file, unless the process holds leases: the job is over."""
        if self._worker is not None:
            self._worker.tell({})
            self._worker.leave()
            self._worker = None


_OF_WORKER = {"pid", "host", "job_id", "id"}
"""Fields that the worker fills in."""


def read(runs: RunsFolder) -> list[Progress]:
    """Return the progress of all processes at work, sorted by job. Files that dead processes of this host left are removed.

    Whether a process of another host lives, a single look cannot tell.
    """
    working: list[Progress] = []
    for path in _files(runs.workers):
        with suppress(OSError, ValueError, OverflowError, RecursionError, msgspec.ValidationError):
            if is_dead_here(path.stem):
                path.unlink(missing_ok=True)
            else:
                content = json.loads(read_bytes(path, largest=LARGEST))
                if isinstance(content, dict) and content.get("job", ""):
                    working.append(msgspec.convert(content, Progress))
    return sorted(working, key=lambda progress: progress.job)


def _files(folder: Path) -> Iterable[Path]:
    with suppress(OSError):
        return [path for path in folder.glob(f"*{SUFFIX}") if ProcessId.of(path.stem) is not None]
    return ()
