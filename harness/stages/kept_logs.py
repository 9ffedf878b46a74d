"""Copies of training logs beside the records: a stage's output may be cleaned away, and cells of several boards share it."""

from __future__ import annotations

import filecmp
import shutil

from harness.board.cells import Cell
from harness.board.log_files import LogFile, base_logs, cell_log
from harness.store.files import appearing
from harness.store.runs_folder import RunsFolder


def keep(cell: Cell, runs: RunsFolder) -> None:
    """Copy the logs of a cell and of its base beside the cell's record, as far as there are any.

    A log of an earlier run goes where the training of this record left none. Raises: StorageError.
    """
    own = cell_log(cell)
    for log in [*base_logs(cell.base), *([] if own is None else [own])]:
        _copy(log, cell.board, runs)


def _copy(log: LogFile, board: str, runs: RunsFolder) -> None:
    path = log.beside_records(runs, board)
    output, unfinished = log.sources(runs)
    is_finished = output.parent.is_dir()
    source = output if is_finished else unfinished
    if source.is_file():
        # A run with --fresh trains under the same key: its log may have the same size and other values.
        if not (path.is_file() and filecmp.cmp(path, source, shallow=False)):
            with appearing(path) as scratch:
                shutil.copyfile(source, scratch)
    elif is_finished or log.stage == "finetune":
        # A base that is not here now may have been made for the records of other cells, whose log it is.
        path.unlink(missing_ok=True)
