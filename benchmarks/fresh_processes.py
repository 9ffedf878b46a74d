"""What a fresh process adds to a cell: trivial cells in one process, and each in a fork of a process that has imported torch.

    OMP_NUM_THREADS=1 python benchmarks/fresh_processes.py

The board is that of trivial_cells.py; the two ways take turns, a cell each. The fork is made as the fork server of the executor
`local` makes it. Times are processor time of all processes. Most of the difference are page faults: a fork maps the pages of
torch's libraries anew when it touches them. So the script prints their number, and what a fault costs on this machine.

Then the executor itself does cells in one slot, with a fresh process for each and with `reuse`: processor time of all its
processes, messages included. At last, blocks of cells here and there take turns. Times are wall times, for trivial cells and for
cells that compute for 200 ms more. That part needs a machine with a second core that is idle.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import mmap
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
from trivial_cells import board

from harness.interfaces import Job, JobEnd

PAGES = 20_000
BLOCK = 10


def microseconds_of_a_fault() -> float:
    """Return what the first write to a page costs more than the second."""
    memory = mmap.mmap(-1, PAGES * mmap.PAGESIZE)

    def touch() -> float:
        began = time.process_time()
        for page in range(0, len(memory), mmap.PAGESIZE):
            memory[page] = 1
        return time.process_time() - began

    return (touch() - touch()) / PAGES * 1e6


def forked(work: Callable[[], object]) -> tuple[float, int]:
    """Do some work in a fork. Returns: processor milliseconds of both processes, page faults of the fork."""
    from harness.process import worker

    own, before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            worker.begin(parent)
            work()
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(process, 0)[1]:
        raise RuntimeError("the work of a fork failed: its time says nothing")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = time.process_time() - own + after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent * 1e3, after.ru_minflt - before.ru_minflt


def alone(work: Callable[[], object]) -> float:
    """Do some work here. Returns: processor milliseconds."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


def lasting(seconds: float, function: Callable[..., object], *arguments: object) -> None:
    """Do some work, and then compute for so many seconds of processor time."""
    import torch

    function(*arguments)
    matrix, end = torch.eye(64), time.process_time() + seconds
    while time.process_time() < end:
        matrix = matrix @ matrix


class Turns:
    """Hands jobs to an executor, one at a time; after each block, a block of others is done here.

    Args:
        seconds: of computation that each job does in addition.
    """

    def __init__(self, jobs: Sequence[Job], seconds: float) -> None:
        self.jobs, self.seconds = list(jobs), seconds
        self.fresh: list[float] = []
        self.shared: list[float] = []
        self.began: float | None = None

    def ready(self, ends: Sequence[JobEnd]) -> Sequence[Job] | None:
        if self.began is not None:
            if not ends:
                return []
            if ends[0].death:
                raise RuntimeError(f"a job failed, so that its time says nothing: {ends[0].death}")
            self.fresh.append((time.perf_counter() - self.began) * 1e3)
            if len(self.fresh) % BLOCK == 0:
                self._do_here()
        if not self.jobs:
            return None
        job = self.jobs.pop()
        self.began = time.perf_counter()
        return [dataclasses.replace(job, function=lasting, arguments=(self.seconds, job.function, *job.arguments))]

    def _do_here(self) -> None:
        for _ in range(BLOCK):
            job, began = self.jobs.pop(), time.perf_counter()
            lasting(self.seconds, job.function, *job.arguments)
            self.shared.append((time.perf_counter() - began) * 1e3)


class Meter:
    """Hands jobs to an executor, one at a time, and notes the processor time that its processes have had at each end."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self.spent: list[float] = []
        self.is_running = False

    def ready(self, ends: Sequence[JobEnd]) -> Sequence[Job] | None:
        if ends:
            self.spent.append(processor_seconds_below())
        elif self.is_running:
            return []
        self.is_running = bool(self.jobs)
        return [self.jobs.pop()] if self.jobs else None


def processor_seconds_below() -> float:
    """Return the processor time of all processes below this one, those included that have ended."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def print_processor_times(jobs: Sequence[Job], *, reuse: bool) -> None:
    """Print the processor time of cells by the executor; the first cells, with their imports, are left out."""
    from harness_local.executor import LocalExecutor
    from harness_local.settings import LocalConfig

    meter = Meter(jobs)
    LocalExecutor(LocalConfig(reuse=reuse)).run(meter.ready, slots=1)
    spent = (meter.spent[-1] - meter.spent[BLOCK]) / (len(meter.spent) - 1 - BLOCK) * 1e3
    print(f"a cell by the executor{', with reuse' if reuse else ''}: {spent:.1f} ms")


def print_wall_times(jobs: Sequence[Job], seconds: float) -> None:
    """Print wall times of cells by the executor beside those of cells here; the first block, with its imports, is left out."""
    from harness_local.executor import LocalExecutor
    from harness_local.settings import LocalConfig

    turns = Turns(jobs, seconds)
    LocalExecutor(LocalConfig()).run(turns.ready, slots=1)
    fresh, shared = (statistics.median(times[BLOCK:]) for times in (turns.fresh, turns.shared))
    name = f"a cell and {seconds * 1e3:.0f} ms" if seconds else "a cell"
    print(f"{name}, wall time: {fresh:.1f} ms by the executor, {shared:.1f} in one process with others,")
    print(f"    difference {fresh - shared:.1f} ms, ratio {fresh / shared:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=40)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"

    from harness.board.reading.load import load_board
    from harness.process import global_state, worker
    from harness.run.job_calls import cell_job
    from harness.stages.options import JobOptions
    from harness.store.runs_folder import RunsFolder
    from harness_local import shared_pages

    with tempfile.TemporaryDirectory(dir=".") as folder:  # on a disk: /tmp may be memory
        in_turns = 2 * max(1, round(options.cells / BLOCK)) * BLOCK + 6 * BLOCK
        loaded = load_board(board(Path(folder) / "trivial", 2 * options.cells + 1 + 2 * in_turns))
        jobs = [cell_job(cell, RunsFolder(Path(folder) / "runs"), JobOptions("cpu")) for cell in loaded.cells]
        worker.warm_up()
        global_state.snapshot()
        for name in jobs[0].imports:
            importlib.import_module(name)
        forked(partial(jobs[0].function, *jobs[0].arguments))  # the base
        shared_pages.arrange()
        del jobs[0]
        long, short = ([jobs.pop() for _ in range(in_turns)] for _ in range(2))
        pairs = zip(jobs[::2], jobs[1::2], strict=True)
        empty = [forked(lambda: None) for _ in range(options.cells)]
        fresh, shared = [], []
        for forked_job, job in pairs:
            fresh.append(forked(partial(forked_job.function, *forked_job.arguments)))
            shared.append(alone(partial(job.function, *job.arguments)))
        for reuse in (False, True):
            print_processor_times([long.pop() for _ in range(2 * BLOCK)], reuse=reuse)
        worker.begin()
        print_wall_times(short, seconds=0)
        print_wall_times(long, seconds=0.2)
    for name, times in {"an empty job, in a fork": empty, "a cell, in a fork": fresh}.items():
        milliseconds, faults = (statistics.median(values) for values in zip(*times, strict=True))
        print(f"{name}: {milliseconds:.1f} ms, {faults:.0f} page faults")
    print(f"a cell, in one process with others: {statistics.median(shared):.1f} ms")
    print(f"a page fault on this machine: {microseconds_of_a_fault():.2f} µs")


if __name__ == "__main__":
    main()
