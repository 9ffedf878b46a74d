"""Explanations of a table's figures: what its marks say, and its differences from floor, base and control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report import terminal_style
from harness.report.difference_tables import difference_cells
from harness.report.differences import FloorDifference
from harness.report.display import Marks, figure, marks_of, rounded
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.paired import PairedDifference

PLAIN = replace(
    terminal_style.PLAIN,
    floor_mark="",
    beyond_mark="",
    none="–",
    signed=lambda number: number.replace("-", "−"),
)
"""Plain text: the templates escape it, and write marks as tags of their own."""

MOST_SEEDS = 20
"""Seeds whose values an explanation lists."""
NO_MARKS = Marks()
BOLD = "Bold: no other row is better by a test over seeds."
AT_FLOOR = "†: cannot be told from real data at this number of samples."
BEYOND_FLOOR = "‡: better than real data by the same test: the column sees something else than likeness to real data."


@dataclass(frozen=True)
class Figure:
    """One figure of the table.

    Args:
        value: the mean, in the unit of the table, by which rows are sorted; None where there is no figure.
        notes: lines that explain it.
    """

    text: str
    value: float | None
    marks: Marks = NO_MARKS
    notes: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """The sign after the figure."""
        return "†" if self.marks.at_floor else "‡" if self.marks.beyond_floor else ""


def figure_of(row: TableRow, column: Column, statistic: Statistic, table: Table, seeds: list[int]) -> Figure:
    """Return the figure of a row. seeds: of the row's cells, in their order."""
    score = row.score(column, statistic)
    text = figure(score, column, PLAIN)
    if score is None:
        return Figure(text, None)
    marks = marks_of(row, column, statistic)
    notes = _notes(row, column, table, marks, seeds) if statistic == "mean" else ()
    return Figure(text, score.mean / column.shown_in, marks, notes)


def floor_figure(table: Table, column: Column, size: int | None, statistic: Statistic) -> Figure:
    """Return the figure of a column's floor."""
    score = table.floor(column, size, statistic)
    if score is None:
        return Figure(PLAIN.none, None)
    dataset = table.board.dataset
    how = dataset.component.stratification(dataset.settings)
    reached = f"no model reaches it, since draws are stratified ({how})" if how else "what a perfect model would get"
    notes = (f"Real against real, over {score.n} pairs of draws: {reached}.",)
    return Figure(figure(score, column, PLAIN), score.mean / column.shown_in, notes=notes)


def _notes(row: TableRow, column: Column, table: Table, marks: Marks, seeds: list[int]) -> tuple[str, ...]:
    signs = [(marks.is_bold, BOLD), (marks.at_floor, AT_FLOOR), (marks.beyond_floor, BEYOND_FLOOR)]
    notes = [sentence for is_there, sentence in signs if is_there]
    if column.ranks:
        tests = table.tests(row, column)
        compared = [("the floor", tests.to_floor), ("its base", tests.to_base), (table.control_label, tests.to_control)]
        notes += [_difference(name, difference, row, column) for name, difference in compared if difference is not None]
    return (*notes, *_values(row, column, table.board.seeds, seeds))


def _difference(name: str, difference: FloorDifference | PairedDifference, row: TableRow, column: Column) -> str:
    text, p = difference_cells(difference, row, column, PLAIN)
    return f"Less {name}: {text}, p {p if p.startswith('<') else f'= {p}'}."


def _values(row: TableRow, column: Column, of_board: Sequence[int], seeds: list[int]) -> tuple[str, ...]:
    """Return a line with the value of each seed of the row, of many seeds the first ones.

    Args:
        of_board, seeds: the seeds of the board, and those of them that the row has.
    """
    values = row.values.get(column.name, ())
    own = frozenset(seeds)
    pairs = [(seed, value) for seed, value in zip(of_board, values, strict=bool(values)) if seed in own]
    if len(pairs) < 2:
        return ()
    shown = ", ".join(f"{seed}: {PLAIN.none if value is None else rounded(value, column)}" for seed, value in pairs[:MOST_SEEDS])
    more = f", … and {len(pairs) - MOST_SEEDS:,} more" if len(pairs) > MOST_SEEDS else ""
    return (f"By seed: {shown}{more}.",)
