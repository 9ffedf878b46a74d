"""Where each record of a board is: among the published ones, and in a runs folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.board.board import Board
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class RecordFiles:
    """The two paths of one record, whether or not there are files."""

    record: RecordName
    published: Path
    run: Path


def record_files(board: Board, runs: RunsFolder) -> Iterator[RecordFiles]:
    """Yield the paths of each cell's record and of each floor's, under the keys that the board now gives them."""
    folder = BoardFolder(board.folder)
    for cell in board.cells:
        record = RecordName("cell", cell.name)
        yield RecordFiles(record, folder.record(record), runs.record(board.name, cell.name, cell.key))
    for floor in board.floors:
        record = RecordName("floor", floor.name)
        yield RecordFiles(record, folder.record(record), runs.floor(board.name, floor.name, floor.key))
