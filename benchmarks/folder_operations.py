"""Count what 200 workers that poll one shared folder cost it: operations a second, all workers together.

Usage: python benchmarks/folder_operations.py [--workers 200] [--seconds 60] [--scenario waiting|commands|followers]

Every worker is a process of its own, eight of them to a host, with the beat that is the default. It counts each call of its own
that reaches the folder: open, close, read, write, sync, look at one file (stat), list, link, rename, remove.

- waiting: each worker holds the lease of a cell, reports the progress of a training ten times a second, and waits for the lease
  of a base that one of them makes, from the moment at which all of them begin.
- commands: each worker is a `harness run --beside` of its own on the same board, and all but one of its cells are busy in the
  others.
- followers: each worker but the first is a `harness run` of its own that follows the run of the first.

Each worker looks for requests to stop (`harness cancel`): as a job does in the first scenario, and as a command in the others.
"""

from __future__ import annotations

import argparse
import mmap
import os
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.process import host
from harness.store.cancels import Cancels, obeyed
from harness.store.commands import registered, this_command
from harness.store.lease import lease
from harness.store.progress import Reporter
from harness.store.runs_folder import RunsFolder
from harness.store.workers import this_worker

if TYPE_CHECKING:
    from harness.board.board import Board

WORKERS_OF_HOST = 8
BEGINNING_SECONDS = 30.0
BOUND = 50.0
KINDS = ("open", "close", "read", "write", "sync", "stat", "list", "link", "rename", "remove", "make")
CALLS = {
    "open": "open", "close": "close", "read": "read", "write": "write", "pwrite": "write", "pwritev": "write", "fsync": "sync",
    "stat": "stat", "lstat": "stat", "listdir": "list", "scandir": "list", "link": "link", "rename": "rename",
    "replace": "rename", "unlink": "remove", "mkdir": "make", "fchmod": "stat", "fstat": "stat",
}  # fmt: skip
"""The functions of `os` that are counted, and as what. The store uses these alone for leases, heartbeats and progress."""
BOARD = """\
title: Many cells
dataset: {name: swiss-roll}
bases:
  ddpm: {model: {name: ddpm-mlp}, pretrain: {method: mle, training: {images: 128, batch: 128}}}
training: {images: 128, batch: 128}
methods: {none: {}}
seeds: [%s]
evaluation: {samples: 100}
metrics: {sliced-w2: {}}
"""
_count = struct.Struct("=q")


class Counts:
    """Numbers of calls by worker and kind, in memory that all processes share."""

    def __init__(self, workers: int) -> None:
        self._memory = mmap.mmap(-1, workers * len(KINDS) * _count.size)
        self._workers = workers

    def add(self, worker: int, kind: str) -> None:
        place = (worker * len(KINDS) + KINDS.index(kind)) * _count.size
        _count.pack_into(self._memory, place, _count.unpack_from(self._memory, place)[0] + 1)

    def sums(self) -> dict[str, int]:
        numbers = [number for (number,) in _count.iter_unpack(self._memory[: self._workers * len(KINDS) * _count.size])]
        return {kind: sum(numbers[index :: len(KINDS)]) for index, kind in enumerate(KINDS)}


def count_calls(counts: Counts, worker: int) -> None:
    """Count the calls of this process from now on."""
    for name, kind in CALLS.items():
        setattr(os, name, counting(getattr(os, name), kind, counts, worker))


def counting(function: Callable[..., object], kind: str, counts: Counts, worker: int) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        if not str(arguments[0]).startswith("/proc"):
            counts.add(worker, kind)
        return function(*arguments, **options)

    return call


def wait_for_base(runs: RunsFolder, worker: int) -> None:
    """Work on a cell, whose base another worker makes."""
    reporter = Reporter(runs, f"cell {worker}")
    with lease(runs.lease("cell", f"{worker:03d}"), wait=False), obeyed(runs, "command", f"cell {worker}"):
        reporter.stage("base")
        if worker == 0:
            with lease(runs.lease("base", "0"), wait=True):
                train(reporter)
        time.sleep(1)
        with lease(runs.lease("base", "0"), wait=True):
            raise AssertionError("the base is never finished")


def train(reporter: Reporter) -> None:
    step = 0
    while True:
        step += 1
        reporter.step(step, 10**9, {"loss": 0.1}, images_per_step=64)
        time.sleep(0.1)


def many_cells(runs: RunsFolder, cells: int) -> Board:
    """Return a board with so many cells."""
    from harness.board.reading.load import load_board

    (runs.root / "board").mkdir()
    (runs.root / "board/board.yaml").write_text(BOARD % ", ".join(map(str, range(cells))), encoding="utf-8")
    return load_board(runs.root / "board")


def commands(runs: RunsFolder, cells: int) -> Callable[[int], None]:
    """Return what the process of a `harness run` does, and its worker, on a board whose other cells are busy."""
    from harness.run.busy_jobs import BusyJobs
    from harness.run.job_calls import cell_job
    from harness.stages.options import JobOptions

    board = many_cells(runs, cells)
    paths = [runs.lease("cell", cell.key) for cell in board.cells]
    jobs = [cell_job(cell, runs, JobOptions()) for cell in board.cells]

    def work(worker: int) -> None:
        busy = BusyJobs(runs)
        own = this_command(board.name, runs, [], {"executor": "local"})
        cancels = Cancels(runs, own.id)
        with registered(own, runs), lease(paths[worker], wait=False):
            time.sleep(BEGINNING_SECONDS)  # all of them have begun
            for job in jobs[:worker] + jobs[worker + 1 :]:
                busy.add(job)
            while True:
                for free in busy.due():
                    busy.add(free)
                cancels.look_now_and_then()
                time.sleep(0.2)

    return work


def followers(runs: RunsFolder, cells: int) -> Callable[[int], None]:
    """Return what the process of a `harness run` does that follows the run of another process, and what that other one does."""
    from harness.run.attach import at_work

    board = many_cells(runs, cells)

    def work(worker: int) -> None:
        time.sleep(BEGINNING_SECONDS / 3 if worker else 0)
        with at_work(board, board.cells, runs, on_event=print, on_remark=lambda _: None, facts={"executor": "local"}):
            cancels = Cancels(runs, this_worker(runs.workers).id)
            while worker == 0:
                cancels.look_now_and_then()
                time.sleep(0.2)
        raise AssertionError("there is nothing to follow")

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a window; there are three, one after another")
    parser.add_argument("--scenario", choices=["waiting", "commands", "followers"], default="waiting")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not measure(RunsFolder(Path(folder)), options):
            sys.exit(f"more than {BOUND:.0f} operations a second")


def measure(runs: RunsFolder, options: argparse.Namespace) -> bool:
    """Print the rates. Returns: whether the last window keeps the bound."""
    makers = {"commands": commands, "followers": followers}
    work = makers[options.scenario](runs, options.workers) if options.scenario in makers else partial(wait_for_base, runs)
    counts = Counts(options.workers)
    children = [start(work, counts, worker) for worker in range(options.workers)]
    rate = 0.0
    try:
        time.sleep(BEGINNING_SECONDS)  # all of them have begun
        for window in range(1, 4):
            before = counts.sums()
            time.sleep(options.seconds)
            rates = {kind: (number - before[kind]) / options.seconds for kind, number in counts.sums().items()}
            rate = sum(rates.values())
            parts = ", ".join(f"{kind} {number:.1f}" for kind, number in rates.items() if number)
            print(f"window {window} of {options.seconds:.0f} s: {rate:.1f} operations a second ({parts})", flush=True)
        alive = [os.waitpid(child, os.WNOHANG)[0] == 0 for child in children]
        print(f"{sum(alive)} of {len(children)} workers work")
        return rate < BOUND and all(alive)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def start(work: Callable[[int], None], counts: Counts, worker: int) -> int:
    """Start a worker. Returns: its process id."""
    child = os.fork()
    if child:
        return child
    try:
        os.environ[host.VARIABLE] = f"host-{worker // WORKERS_OF_HOST}"
        count_calls(counts, worker)
        work(worker)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
