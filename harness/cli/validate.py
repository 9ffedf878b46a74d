"""`harness validate`."""

from __future__ import annotations

from harness.cli.arguments import BoardPaths
from harness.cli.output import remark, result


def validate(boards: BoardPaths) -> None:
    """Example: harness validate leaderboards/*

    Check boards without running anything: faults together, each with file, line and the nearest valid name.
    """
    from harness.board.reading.load import load_board
    from harness.errors import Faults, UserError, faults_of
    from harness.report.reported import left_out, read_reported
    from harness.run.needs import Needs
    from harness.store.board_folder import BoardFolder

    faults: list[str] = []
    for path in boards:
        try:
            board = load_board(path)
            file = BoardFolder(board.folder).reported
            reported = read_reported(file)
        except UserError as error:
            faults += faults_of(error)
        else:
            skipped = sum(cell.skip_reason is not None for cell in board.cells)
            cells = "1 cell" if len(board.cells) == 1 else f"{len(board.cells)} cells"
            result(f"{board.folder}: {cells}, {skipped} of them skipped")
            for line in board.remarks:
                remark(f"{board.folder}: {line}")
            for line in left_out(reported, board.name, file):
                remark(line)
            for fault in Needs.of_whole(board).absent_weights(only_brought=True):
                remark(f"absent, and needed to run: {fault}")
    if faults:
        raise Faults(faults)
