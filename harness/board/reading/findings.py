"""The claims in a board's findings, checked against the board's rows and columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.board.cells import Cell
from harness.board.findings import Claim, claims_of
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig
from harness.store.record_names import row_name


def check_findings(reader: BoardReader, board: BoardConfig, cells: Sequence[Cell]) -> None:
    """Add a fault for a claim that is none, for rows and columns that the board does not have, and for what no test compares:

    a row with itself, rows of different numbers of samples, and more than figures of a column that does not rank.
    """
    location = ("findings",)
    try:
        claims = list(claims_of(board.findings))
    except ValueError as error:
        reader.add_fault(location, str(error))
        return
    # A smoke board has fewer sizes than its file.
    sizes: list[int | None] = [*board.evaluation.sizes] or [None]
    rows = {row_name(cell.base.name, cell.method_name, size, cell.row.sampler_name): size for cell in cells for size in sizes}
    for claim in claims:
        for row in claim.rows:
            if row not in rows:
                reader.add_unknown(location, "row", row, rows)
        for column in claim.columns:
            if column not in board.metrics:
                reader.add_unknown(location, "column", column, board.metrics)
        if fault := _fault(claim, board, rows):
            reader.add_fault(location, f"{{{{{claim.text}}}}} {fault}")


def _fault(claim: Claim, board: BoardConfig, size_of_row: Mapping[str, int | None]) -> str | None:
    """Return why nothing can be said of a claim on rows and columns that are there."""
    if len(set(claim.rows)) < len(claim.rows):
        return "compares a row with itself"
    if len({size_of_row[row] for row in claim.rows if row in size_of_row}) > 1:
        return "compares rows of different numbers of samples, on which the values of metrics depend"
    unranked = [name for name in claim.columns if name in board.metrics and not board.metrics[name].ranks]
    if unranked and claim.word in ("better", "at-floor", "off-floor"):
        return f"needs a column that ranks, and {unranked[0]} has ranks: false"
    return None
