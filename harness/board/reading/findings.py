"""The claims in a board's findings, checked against the board's rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

from harness.board.cells import Cell
from harness.board.findings import claims_of
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig
from harness.store.record_names import row_name


def check_findings(reader: BoardReader, board: BoardConfig, cells: Sequence[Cell]) -> None:
    """Add a fault for a claim that is none, and for rows and columns that the board does not have."""
    location = ("findings",)
    try:
        claims = list(claims_of(board.findings))
    except ValueError as error:
        reader.add_fault(location, str(error))
        return
    # A smoke board has fewer sizes than its file.
    sizes: list[int | None] = [*board.evaluation.sizes] or [None]
    rows = dict.fromkeys(row_name(cell.base.name, cell.method_name, size) for cell in cells for size in sizes)
    for claim in claims:
        for row in claim.rows:
            if row not in rows:
                reader.add_unknown(location, "row", row, rows)
        for column in claim.columns:
            if column not in board.metrics:
                reader.add_unknown(location, "column", column, board.metrics)
