"""Jobs that other processes work on: each is due again when nobody holds its lease any more, or its holder is gone."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

from harness.interfaces import Job
from harness.process.host import is_dead_here
from harness.run.job_calls import BaseJob, CellJob, FloorJob
from harness.store.beats import is_shared
from harness.store.files import StorageError
from harness.store.lease import take_over
from harness.store.lease_files import Holding, holder, lease_name
from harness.store.neighbours import Neighbours
from harness.store.observing import Watch
from harness.store.runs_folder import RunsFolder

LOOK_SECONDS = 1.0
"""Seconds between two looks at the leases; where other hosts share the folder, the first of times that grow."""

LOOKS_A_READ = 10
"""Of so many looks at a shared folder, one reads a file."""


class BusyJobs:
    """The busy jobs of a run. However many there are, a look lists one folder."""

    def __init__(self, runs: RunsFolder) -> None:
        self._folder = runs.lease("cell", "any").parent
        self._runs = runs
        self._neighbours = Neighbours(runs.workers)
        self._jobs: dict[str, tuple[Job, str]] = {}
        self._holders: dict[tuple[str, int], Holding | None] = {}
        self._absent: dict[Holding, Watch] = {}
        self._known_dead: Set[str] = frozenset()
        self._chance = random.SystemRandom()
        self._looks = 0
        self._wait = LOOK_SECONDS
        self._next = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def jobs(self) -> Sequence[Job]:
        """The jobs, in the order in which they were found busy."""
        return [job for job, _ in self._jobs.values()]

    def add(self, job: Job) -> None:
        """Keep a job that another process works on."""
        if not self._jobs:
            self._wait = LOOK_SECONDS
            self._next = time.monotonic() + self._wait
        self._jobs[job.name] = job, _lease(job, self._runs).name

    def due(self) -> list[Job]:
        """Return the jobs that may be free now, and forget them. A call between two looks costs nothing."""
        self._neighbours.look()
        if not self._jobs or time.monotonic() < self._next:
            return []
        held = self._held()
        free = [name for name, (_, lease) in self._jobs.items() if lease not in held or self._is_gone(held[lease])]
        if is_shared(self._folder):
            self._wait = LOOK_SECONDS if free else min(2 * self._wait, max(LOOK_SECONDS, self._neighbours.seconds))
        self._next = time.monotonic() + self._wait
        return [self._jobs.pop(name)[0] for name in free]

    def _held(self) -> Mapping[str, Holding | None]:
        """Return who holds which lease of these jobs; None where nobody has read that yet."""
        wanted = {lease for _, lease in self._jobs.values()}
        files: list[tuple[str, int]] = []
        with suppress(OSError), os.scandir(self._folder) as entries:
            files = [(name, entry.inode()) for entry in entries if (name := lease_name(entry.name)) in wanted]
        self._holders = {file: self._holders.get(file) for file in files}
        self._read([file for file, found in self._holders.items() if found is None])
        absent = (held for held in self._holders.values() if held and held.owner not in self._neighbours.present)
        self._absent = {held: self._absent.get(held) or Watch.of_owner(held) for held in absent}
        return {name: found for (name, _), found in self._holders.items()}

    def _read(self, files: Sequence[tuple[str, int]]) -> None:
        """Read who holds leases, as far as that matters.

        Two hundred runs that read each lease of each other would cost a shared folder much. So these files are read there when
        a worker is found to be gone, and otherwise a single one now and then: its owner may have left without a word.
        """
        dead = {worker for worker in self._neighbours.present if is_dead_here(worker)} | self._neighbours.gone
        if is_shared(self._folder) and dead <= self._known_dead:
            self._looks += 1
            files = self._chance.sample(files, min(1, len(files))) if self._looks % LOOKS_A_READ == 0 else []
        self._known_dead = dead
        for name, inode in files:
            with suppress(StorageError):
                self._holders[name, inode] = holder(self._folder / name)

    def _is_gone(self, held: Holding | None) -> bool:
        if held is None:
            return False
        if is_dead_here(held.owner) or held.owner in self._neighbours.gone:
            return True
        if held not in self._absent or not self._absent[held].look():
            return False
        self._absent[held].give_up()  # it ended, or was removed, and left its lease
        with suppress(OSError):
            take_over(held)
        return True


def _lease(job: Job, runs: RunsFolder) -> Path:
    """Return the path of the lease that the job takes."""
    match job:
        case BaseJob():
            return runs.lease("base-job", job.base.key)
        case FloorJob():
            return runs.lease("floor", job.floor.key)
        case CellJob():
            return runs.lease("cell", job.cell.key)
        case _:
            raise TypeError(f"{job.name}: not a job of a run")
