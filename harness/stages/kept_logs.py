"""Copies of training logs beside the records: a stage's output may be cleaned away, and cells of several boards share it."""

from __future__ import annotations

import filecmp
import shutil

from harness.board.cells import Cell
from harness.board.log_files import LogFile, base_logs, cell_log
from harness.store.files import appearing
from harness.store.runs_folder import RunsFolder


def keep(cell: Cell, runs: RunsFolder) -> None:
    """Copy the logs of a cell and of its base beside the cell's record, as far as there are any. Raises: StorageError."""
    own = cell_log(cell)
    for log in [*base_logs(cell.base), *([] if own is None else [own])]:
        _copy(log, cell.board, runs)


def _copy(log: LogFile, board: str, runs: RunsFolder) -> None:
    path = log.beside_records(runs, board)
    source = next((source for source in log.sources(runs) if source.is_file()), None)
    # A log under this name is of the same training. It is replaced where that went on since, after a divergence for example, or
    # was made anew: that log may have as many bytes.
    if source is not None and not (path.is_file() and filecmp.cmp(path, source, shallow=False)):
        with appearing(path) as scratch:
            shutil.copyfile(source, scratch)
