"""Published files that a page passes over: those of nothing that the board has, smoke records, and records of another."""

from __future__ import annotations

from harness.board.board import Board
from harness.board.log_files import SUFFIX
from harness.report import published_bases, published_logs
from harness.report.collect import Collection
from harness.report.published_bases import bases_folder
from harness.report.reported import left_out, read_reported
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName


def passed_over(collection: Collection) -> list[str]:
    """Return a line for each published file that counts for nothing, and for reported numbers of other boards.

    Args:
        collection: the published records of a board.
    """
    folder = BoardFolder(collection.board.folder)
    expected = _names(collection.board)
    present = {path.name for pattern in ("*.json", f"*{SUFFIX}") for path in folder.results.glob(pattern)}
    return [
        *(
            f"{folder.results / name}: of nothing that the board has; it counts for nothing"
            for name in sorted(present - expected)
        ),
        *(f"{folder.record(name)}: holds {what}; it counts for nothing" for name, what in collection.strange.items()),
        *(
            f"{bases_folder(collection.board) / name}: no base of the board as it is now; it counts for nothing"
            for name in published_bases.passed_over(collection.board)
        ),
        *left_out(read_reported(folder.reported), collection.board.name, folder.reported),
    ]


def _names(board: Board) -> set[str]:
    """Return the names of all files that the board may have among its published results."""
    folder = BoardFolder(board.folder)
    records = {RecordName("cell", cell.name) for cell in board.cells} | {
        RecordName("floor", floor.name) for floor in board.floors
    }
    previews = {folder.real_preview.name, *(folder.preview(cell.row.name).name for cell in board.cells)}
    return {record.file_name for record in records} | previews | published_logs.names(board)
