"""What the harness itself takes for a cell: 1,000 cells that train nothing and are measured on eight samples.

    OMP_NUM_THREADS=1 python benchmarks/trivial_cells.py

First the cells run one after the other in this process, as in a worker, with a profile of where the time goes. Then `run_board`
runs them with one worker process, and the time of the same board with a single cell (start of the worker, imports, the base) is
taken off. Waiting for the disk is wall time. Everything else is processor time, so that other processes of the machine do not
count. Eight samples and their metric are part of the figures.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
from pathlib import Path

BOARD = """\
title: Trivial
dataset: {name: swiss-roll, train_size: 100}
bases:
  tiny:
    model: {name: ddpm-mlp, steps: 1, width: 8}
    pretrain: {method: mle, training: {images: 10, batch: 10}}
training: {images: 10, batch: 10}
methods: {none: {}}
seeds: SEEDS
evaluation: {samples: 8, batch: 8}
floor: {pairs: 2}
metrics:
  sliced-w2: {metric: {name: sliced-w2, projections: 8}}
"""


class Syncs:
    """Counts and times `os.fsync`."""

    def __init__(self) -> None:
        self.count, self.seconds, self._fsync = 0, 0.0, os.fsync
        os.fsync = self  # type: ignore[assignment]

    def __call__(self, handle: int) -> None:
        began = time.perf_counter()
        self._fsync(handle)
        self.seconds += time.perf_counter() - began
        self.count += 1


def board(folder: Path, cells: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "board.yaml").write_text(BOARD.replace("SEEDS", str(list(range(cells)))))
    return folder


def in_one_process(folder: Path, cells: int) -> None:
    import torch

    from harness.board.reading.load import load_board
    from harness.stages import jobs
    from harness.stages.job_result import FINISHED
    from harness.stages.options import JobOptions
    from harness.store.runs_folder import RunsFolder

    torch.set_num_threads(1)
    loaded = load_board(board(folder / "one" / "trivial", cells + 1))
    runs, options = RunsFolder(folder / "one" / "runs"), JobOptions()
    first, *others = loaded.cells
    jobs.run_cell(first, runs, options)  # imports, the base
    syncs, profile = Syncs(), cProfile.Profile()
    began = time.process_time()
    for cell in others[: cells // 2]:
        assert jobs.run_cell(cell, runs, options) == FINISHED
    spent = (time.process_time() - began) / (cells // 2)
    print(f"in a worker: {spent * 1e3:.2f} ms processor time a cell")
    print(f"  {syncs.count / (cells // 2):.1f} fsyncs a cell, {syncs.seconds / syncs.count * 1e3:.2f} ms wall each")
    profile.enable()
    for cell in others[cells // 2 :]:
        jobs.run_cell(cell, runs, options)
    profile.disable()
    pstats.Stats(profile).sort_stats("cumulative").print_stats("harness|fsync", 28)


def whole(folder: Path, cells: int) -> float:
    """Return the processor seconds of this process and its worker for a whole run of the board."""
    from harness.board.reading.load import load_board
    from harness.run.start import RunOptions, run_board
    from harness.store.runs_folder import RunsFolder

    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    began = spent()
    loaded = load_board(board(folder / str(cells) / "trivial", cells))
    states = run_board(loaded, loaded.cells, RunsFolder(folder / str(cells) / "runs"), RunOptions(jobs=1))
    assert {state.state for state in states} == {"done"}
    import multiprocessing

    for process in multiprocessing.active_children():
        process.join()
    return spent() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on a disk: /tmp may be memory
        in_one_process(Path(folder), options.cells)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        single, all_cells = whole(Path(folder), 1), whole(Path(folder), options.cells)
        cells = options.cells - 1
        each = (all_cells - single) / cells * 1e3
        print(f"the whole way: {each:.2f} ms processor time a cell, beside {single:.1f} s to start")


if __name__ == "__main__":
    main()
