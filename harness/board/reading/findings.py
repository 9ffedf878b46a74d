"""The claims in a board's findings, checked against the board's rows and columns."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from harness.board.cells import Cell
from harness.board.findings import CLOSING, OPENING, Claim, NoClaim, read_claims
from harness.board.reading.reader import BoardReader, unknown_text
from harness.board.schema import BoardConfig
from harness.store.record_names import row_name

_LOCATION = ("findings",)


def check_findings(reader: BoardReader, board: BoardConfig, cells: Sequence[Cell]) -> tuple[int, ...]:
    """Add a fault for a claim that is none, for rows and columns that the board does not have, and for what no test compares:

    a row with itself, rows of different numbers of samples, and more than figures of a column that does not rank.

    Returns: the line of the file on which each claim stands, in the order of `claims_of`.
    """
    # A smoke board has fewer sizes than its file.
    sizes: list[int | None] = [*board.evaluation.sizes] or [None]
    rows = {row_name(cell.base.name, cell.method_name, size, cell.row.sampler_name): size for cell in cells for size in sizes}
    lines: list[int] = []
    line_of = {mark: _LineOf(reader, board.findings, mark) for mark in (OPENING, CLOSING)}
    for place, claim in read_claims(board.findings):
        line = line_of[claim.mark if isinstance(claim, NoClaim) else OPENING](place)
        if isinstance(claim, NoClaim):
            reader.faults.add_at(line, str(claim))
            continue
        lines.append(line)
        for fault in _faults(claim, board, rows):
            reader.faults.add_at(line, fault)
    return tuple(lines)


class _LineOf:
    """The lines of the file on which two braces of the findings stand, which may be folded there and joined in the text."""

    def __init__(self, reader: BoardReader, findings: str, mark: str) -> None:
        self._places = [found.start() for found in re.finditer(re.escape(mark), findings)]
        self._lines = reader.source.lines_of(_LOCATION, mark)
        self._line_of_key = reader.source.line(_LOCATION)

    def __call__(self, place: int) -> int:
        """Return the line of the mark at a place of the text; that of the key, where the file writes the mark by escapes."""
        number = bisect_left(self._places, place)
        return self._lines[number] if number < len(self._lines) else self._line_of_key


def _faults(claim: Claim, board: BoardConfig, size_of_row: Mapping[str, int | None]) -> Iterator[str]:
    """Yield what is wrong with a claim on this board."""
    yield from (unknown_text("row", row, size_of_row) for row in claim.rows if row not in size_of_row)
    yield from (unknown_text("column", column, board.metrics) for column in claim.columns if column not in board.metrics)
    if fault := _fault(claim, board, size_of_row):
        yield f"{{{{{claim.text}}}}} {fault}"


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
