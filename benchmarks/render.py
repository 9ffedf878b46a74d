"""Time `harness render` on a board with many records.

    OMP_NUM_THREADS=1 python benchmarks/render.py --records 100000

The script writes a board of ten rows (two bases × five methods), with as many seeds as the number of records takes, and a record
for each cell, into a temporary folder. It then times the command as a user runs it, from the start of its process: first page and
plots, then the check, then a table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.reading.load import load_board
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import ComponentFacts, Costs, CurvePoint, FloorRecord, Measured, Record, save_record

BOARD = """\
title: Many seeds
dataset: swiss-roll
bases:
  ddpm-10: {{model: {{name: ddpm-mlp, steps: 10}}, pretrain: {{method: mle, training: {{images: 1280}}}}}}
  ddpm-20: {{model: {{name: ddpm-mlp, steps: 20}}, pretrain: {{method: mle, training: {{images: 1280}}}}}}
methods: {{none: , mle: , sft-pg: , sft: , ddo: }}
training: {{images: 300032}}
evaluation: {{draws: 5}}
metrics: {{sliced-w2: {{shown_in: 1.0e-2}}, w2: {{shown_in: 1.0e-2, draws: 1}}}}
curve: {{metric: sliced-w2}}
seeds: [{seeds}]
"""
ROWS = 10


def make_board(folder: Path, records: int) -> Board:
    """Write the board and its published records. No file is synced to disk, since writing is not what is timed."""
    folder.mkdir(parents=True)
    seeds = ", ".join(map(str, range(records // ROWS)))
    (folder / "board.yaml").write_text(BOARD.format(seeds=seeds))
    board = load_board(folder)
    os.fsync = _no_sync  # type: ignore[assignment]
    for cell in board.cells:
        save_record(make_record(cell), BoardFolder(folder).record(RecordName("cell", cell.name)))
    for floor in board.floors:
        record = FloorRecord(board=board.name, metric=floor.column.name, key=floor.key, values=[0.01, 0.02, 0.015])
        save_record(record, BoardFolder(folder).record(RecordName("floor", floor.column.name)))
    return board


def _no_sync(_: object) -> None:
    pass


def make_record(cell: Cell) -> Record:
    """Return a record as large as that of a real cell: five draws, eleven points of a curve."""
    value = 0.02 + (cell.seed * 7919 % 1000) * 1e-6
    facts = ComponentFacts(name="ddpm-mlp", version="1/1", settings={"steps": 10, "width": 128, "schedule": "sigmoid"})
    return Record(
        board=cell.board, protocol=cell.protocol, base=cell.base.name, method=cell.method_name, seed=cell.seed,
        key=cell.key, status="done", model=facts, sampler=facts, finetuning=facts, dataset=facts,
        pretraining={"images": 1280, "batch": 128}, training=cell.training.model_dump(),
        evaluation=cell.evaluation.model_dump(),
        metrics={metric.name: Measured(values=[value] * metric.draws, seconds=1.5) for metric in cell.columns},
        curve=[CurvePoint(images=images, value=value) for images in range(0, 300_033, 30_003)] if cell.trains else [],
        costs=Costs(images_seen=300_032, steps=2344, network_evaluations=3_000_000, nfe=10, seconds_finetune=12.5),
        parameters=50_178, weights_sha256="a" * 64, samples_sha256="b" * 64, base_weights_sha256="c" * 64,
        dataset_fingerprint="d" * 64, created="2026-01-01T00:00:00Z",
        environment={"python": "3.11.7", "torch": "2.14.1", "platform": "Linux x86_64", "cpu_threads": 1},
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000, help="a multiple of 10")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "many"
        make_board(folder, arguments.records)
        for options in ([], ["--check"], ["--format", "csv"]):
            elapsed, processor = timed([sys.executable, "-m", "harness", "render", str(folder), *options])
            name = " ".join(["render", *options])
            print(f"{name:<20} {arguments.records:,} records: {elapsed:.1f} s, processor time {processor:.1f} s")


def timed(command: list[str]) -> tuple[float, float]:
    """Return the seconds by the clock and on the processor."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    processor = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - start, processor


if __name__ == "__main__":
    main()
