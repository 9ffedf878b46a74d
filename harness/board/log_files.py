"""The training logs of a board: where each one is while a stage trains, beside the records, and among the published results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base
from harness.board.cells import Cell
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import FILE

SUFFIX = ".log.jsonl"
"""The ending of a training log beside a record."""


@dataclass(frozen=True)
class LogFile:
    """The log of one training, whether or not there is a file.

    Args:
        stem: name of the published file, without its ending: `net__fit__s0` of a cell, `base__net` of a base,
            `base__net__s0` of a base of several seeds.
        stage, training_key: of the output that the training makes. The key stands in the log's first line.
        record_key: key of the cell's record; of a base its own key. It is part of the file's name in a runs folder.
    """

    stem: str
    stage: str
    training_key: str
    record_key: str

    def beside_records(self, runs: RunsFolder, board: str) -> Path:
        """Return the path beside the records of a board in a runs folder."""
        return runs.records(board) / f"{self.stem}.{self.record_key[:12]}{SUFFIX}"

    def published(self, folder: BoardFolder) -> Path:
        """Return the path among the published results."""
        return folder.results / f"{self.stem}{SUFFIX}"

    def sources(self, runs: RunsFolder) -> tuple[Path, Path]:
        """Return where the stage leaves the log: in its output, or, where training diverged, among its unfinished files."""
        return runs.stage(self.stage, self.training_key) / FILE, runs.work(self.stage, self.training_key) / FILE


def cell_log(cell: Cell) -> LogFile | None:
    """Return the log of a cell; None where its method does not train."""
    if not cell.trains:
        return None
    return LogFile(RecordName("cell", cell.name).file_stem, "finetune", cell.finetune_key, cell.key)


def base_logs(base: Base) -> list[LogFile]:
    """Return the log of each step of pretraining, in their order; none for a base that the board does not train."""
    steps = base.origin.steps
    keys = [*(step.after.key for step in steps if step.after is not None), base.key] if steps else []
    stem = f"base__{base.name}" if base.paired_seed is None else f"base__{base.name}__s{base.paired_seed}"
    stems = [stem] if len(keys) == 1 else [f"{stem}__step{number}" for number in range(1, len(keys) + 1)]
    return [LogFile(stem, "base", key, key) for stem, key in zip(stems, keys, strict=True)]


def log_files(cells: Sequence[Cell], bases: Sequence[Base]) -> Iterator[LogFile]:
    """Yield all logs that a board may have: those of its cells, and those of its bases."""
    for cell in cells:
        if (log := cell_log(cell)) is not None:
            yield log
    for base in bases:
        yield from base_logs(base)
