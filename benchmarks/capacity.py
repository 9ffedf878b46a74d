"""What a board of 10,000 cells costs the command itself: seconds a cell of `harness run`, its memory, and `harness status`.

    OMP_NUM_THREADS=1 python benchmarks/capacity.py
    OMP_NUM_THREADS=1 python benchmarks/capacity.py --executor slurm

The executor answers at once: in the place of a worker it writes the record that the cell would have, a copy of one real record.
The time that this takes is taken off. What is left is the command's own work from the board's file to the states of all cells:
reading the board, keys, checks, the schedule, the line on each cell, reading the records. Memory is the largest of a fresh
process. `harness status` is timed as a command, from its start to its end, with all records there. All times are processor time,
so that other processes of the machine do not count; most of a small board's are imports.

With `--executor slurm` jobs go through the executor `slurm` and submitit, with their files, to programs that stand in for sbatch
and squeue: every job is over at the next look, and squeue lists all jobs of the run. Their time is not counted.

`--check` ends with 1 where a bound is
broken: 20 ms a cell, 2 s of status, and twice the memory of 1,000 cells.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pickle
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import Config, Executor
from harness.board.components import Resolved
from harness.interfaces import Job, JobEnd
from harness.stages.job_result import FINISHED
from harness_slurm import submissions
from harness_slurm.call import Answer
from harness_slurm.executor import SlurmExecutor
from harness_slurm.queues import SlurmQueue
from harness_slurm.settings import SlurmConfig

METHODS = 10
MOST_MS_A_CELL, MOST_STATUS_SECONDS, MOST_TIMES_MEMORY = 20.0, 2.0, 2.0
BOARD = """\
title: Capacity
dataset: {name: swiss-roll, train_size: 100}
bases:
  tiny:
    model: {name: ddpm-mlp, steps: 1, width: 8}
    pretrain: {method: mle, training: {images: 10, batch: 10}}
training: {images: 10, batch: 10}
methods: METHODS
seeds: SEEDS
evaluation: {samples: 8, batch: 8}
floor: {pairs: 2}
metrics:
  sliced-w2: {metric: {name: sliced-w2, projections: 8}}
"""


def board(folder: Path, cells: int) -> Path:
    """Write a board of at least so many cells: the control and fine-tuned rows, each with many seeds."""
    methods: dict[str, object] = {"none": {}}
    for number in range(1, METHODS):
        methods[f"mle-{number}"] = {"method": "mle", "training": {"images": 10 * number, "batch": 10}}
    path = folder / "capacity"
    path.mkdir(parents=True, exist_ok=True)
    text = BOARD.replace("METHODS", json.dumps(methods)).replace("SEEDS", str(list(range(-(-cells // METHODS)))))
    (path / "board.yaml").write_text(text)
    return path


class AnsweringExecutor:
    """Answers each job at once. The record of a cell is a copy of a real one; `seconds` is the time that the copies took."""

    def __init__(self, template: Path) -> None:
        from harness.store.records import load_record

        self._template = load_record(template)
        self.seconds = 0.0

    def run(self, ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None], *, slots: int) -> None:
        """See `harness.interfaces.JobExecutor`."""
        ends: list[JobEnd] = []
        queue: list[Job] = []
        while (more := ready(ends)) is not None:
            queue += more
            now, queue = queue[:slots], queue[slots:]
            began = time.process_time()
            ends = [self._answer(job) for job in now]
            self.seconds += time.process_time() - began

    def _answer(self, job: Job) -> JobEnd:
        self.write(job.arguments)
        return JobEnd(job, FINISHED)

    def write(self, arguments: Sequence[object]) -> None:
        """Write the record that a job with these arguments would write; nothing for a base."""
        from harness.board.cells import Cell
        from harness.board.columns import Floor
        from harness.stages.record import record_path
        from harness.store.records import FloorRecord, save_record
        from harness.store.runs_folder import RunsFolder

        (runs,) = (argument for argument in arguments if isinstance(argument, RunsFolder))
        for argument in arguments:
            if isinstance(argument, Cell):
                names = {"method": argument.method_name, "seed": argument.seed, "key": argument.key, "base": argument.base.name}
                save_record(self._template.model_copy(update=names), record_path(argument, runs))
            elif isinstance(argument, Floor):
                record = FloorRecord(board=str(arguments[0]), metric=argument.column.name, key=argument.key, values=[0.1, 0.2])
                save_record(record, runs.floor(record.board, argument.name, argument.key))


SBATCH = """\
#!/bin/sh
number=$(( $(cat "$STAND_IN/number") + 1 ))
echo $number > "$STAND_IN/number"
echo "Submitted batch job $number"
"""


class StandInSlurm(SlurmExecutor):
    """The executor `slurm` with programs in the place of Slurm's. Each job is over as soon as somebody asks for its state."""

    def __init__(self, config: SlurmConfig, folder: Path, answers: AnsweringExecutor) -> None:
        super().__init__(config)
        self._stand_in, self._answers = folder, answers
        self._submissions: Path | None = None
        self._over: dict[str, str] = {}
        (folder / "number").write_text("100")
        (folder / "squeue.txt").touch()
        for name, text in {"sbatch": SBATCH, "srun": "#!/bin/sh\n", "squeue": '#!/bin/sh\ncat "$STAND_IN/squeue.txt"\n'}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        os.environ.update(STAND_IN=str(folder), PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")

    @property
    def seconds(self) -> float:
        return self._answers.seconds

    def take_folder(self, folder: Path) -> None:
        """See `harness.interfaces.QueueExecutor`."""
        super().take_folder(folder)
        self._submissions = folder

    def run(self, ready: Callable[[Sequence[JobEnd]], Sequence[Job] | None], *, slots: int) -> None:
        """See `harness.interfaces.JobExecutor`."""
        asked = SlurmQueue.states

        def states(queue: SlurmQueue) -> object:
            began = time.process_time()
            self._end_all()
            self._answers.seconds += time.process_time() - began
            return asked(queue)

        SlurmQueue.states = states  # type: ignore[method-assign, assignment]
        super().run(ready, slots=slots)

    def _end_all(self) -> None:
        """Do what the jobs in the queue would do, and let squeue say that they are over."""
        from submitit.core.utils import JobPaths

        assert self._submissions is not None
        for submission in submissions.found(self._submissions):
            for job_id in submission.ids or ():
                if job_id in self._over:
                    continue
                self._over[job_id] = f"{job_id}|COMPLETED|None|{submission.folder.name}\n"
                paths = JobPaths(submission.folder, job_id=job_id)
                _, arguments = pickle.loads(pickle.loads(paths.submitted_pickle.read_bytes()).function.call)
                self._answers.write(arguments)
                paths.result_pickle.write_bytes(pickle.dumps(("success", Answer(FINISHED))))
        (self._stand_in / "squeue.txt").write_text("".join(self._over.values()))


def template(folder: Path) -> Path:
    """Run one cell for its record."""
    from harness.board.reading.load import load_board
    from harness.run.start import RunOptions, run_board
    from harness.stages.record import record_path
    from harness.store.runs_folder import RunsFolder

    loaded, runs = load_board(board(folder, METHODS)), RunsFolder(folder / "template")
    run_board(loaded, [loaded.cells[-1]], runs, RunOptions(jobs=1))
    return record_path(loaded.cells[-1], runs)


def one_run(folder: Path, cells: int, record: Path, profile: str, name: str) -> None:
    """Run the board in this process, and print as JSON what it cost."""
    import harness.run.start as start
    from harness.board.reading.load import load_board
    from harness.store.runs_folder import RunsFolder

    answers = AnsweringExecutor(record)
    executor: AnsweringExecutor | StandInSlurm = answers
    if name == "slurm":
        executor = StandInSlurm(SlurmConfig(poll_seconds=1.0), Path(tempfile.mkdtemp(dir=folder)), answers)
    resolved = Resolved(_Given(name, executor), Config(), "benchmarks", "1")
    slots = 64 if name == "answering" else cells
    profiler = cProfile.Profile()
    os.fsync = lambda _: None  # type: ignore[assignment]  # the syncs are the worker's
    if profile:
        profiler.enable()
    began = time.process_time()
    loaded = load_board(board(folder, cells))
    loading = time.process_time() - began
    states = start.run_board(loaded, loaded.cells, RunsFolder(folder / f"runs-{cells}"), start.RunOptions(slots, resolved))
    seconds = time.process_time() - began - executor.seconds
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats(profile).print_stats("harness", 45)
    assert {state.state for state in states} == {"done"}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"cells": len(states), "seconds": seconds, "loading": loading, "memory": memory}))


class _Given(Executor):
    """An executor that is already built."""

    def __init__(self, name: str, executor: AnsweringExecutor | StandInSlurm) -> None:
        super().__init__(name, build="benchmarks:none", summary="answers at once", has_queue=name == "slurm")
        object.__setattr__(self, "executor", executor)

    def create(self, config: Config) -> AnsweringExecutor | StandInSlurm:
        return self.executor  # type: ignore[attr-defined]


def measured(folder: Path, cells: int, record: Path, name: str) -> dict[str, float]:
    """Run the board in a fresh process. Returns: what it cost."""
    command = [
        sys.executable,
        __file__,
        "--one",
        str(folder),
        "--cells",
        str(cells),
        "--template",
        str(record),
        "--executor",
        name,
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def status_seconds(folder: Path, cells: int) -> tuple[float, float]:
    """Return the seconds of `harness status` on the finished board, its start included: of the processor, and of the clock.

    Each is the least of three runs.
    """
    command = [sys.executable, "-m", "harness", "status", str(folder / "capacity"), "--runs-dir", str(folder / f"runs-{cells}")]
    seconds, waits = [], []
    for _ in range(3):
        began, started = _seconds_of_children(), time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        waits.append(time.perf_counter() - started)
        seconds.append(_seconds_of_children() - began)
        assert f"{cells} cells: {cells} done" in done.stdout, done.stdout[:200]
    return min(seconds), min(waits)


def _seconds_of_children() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000, help="a multiple of ten")
    parser.add_argument("--check", action="store_true", help="end with 1 where a bound is broken")
    parser.add_argument("--executor", choices=["answering", "slurm"], default="answering")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--template", type=Path, help=argparse.SUPPRESS)
    parser.add_argument(
        "--profile", default="", metavar="SORT", help="with --one: print a profile, sorted by cumulative or tottime"
    )
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.one:
        one_run(options.one, options.cells, options.template, options.profile, options.executor)
        return
    with tempfile.TemporaryDirectory(dir=".") as name:  # on a disk: /tmp may be memory
        folder = Path(name).resolve()
        record = template(folder)
        few, many = (measured(folder, cells, record, options.executor) for cells in (1000, options.cells))
        status, wait = status_seconds(folder, options.cells)
    each, times = many["seconds"] / many["cells"] * 1e3, many["memory"] / few["memory"]
    print(f"harness run, {options.cells:,} cells: {each:.2f} ms a cell, {many['loading']:.1f} s of it to read the board")
    print(f"memory: {many['memory'] / 2**20:.0f} MiB; of 1,000 cells {few['memory'] / 2**20:.0f} MiB")
    print(f"harness status, {options.cells:,} finished cells: {status:.2f} s of the processor, {wait:.2f} s of the clock")
    if options.check and (each > MOST_MS_A_CELL or status > MOST_STATUS_SECONDS or times > MOST_TIMES_MEMORY):
        sys.exit(1)


if __name__ == "__main__":
    main()
