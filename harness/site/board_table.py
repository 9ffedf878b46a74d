"""The table of a board as its page shows it: floors, rows, and under each row its seeds one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.cells import Cell
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.errors import first_line
from harness.report.collect import Collection
from harness.report.display import display, rounded
from harness.report.how_measured import column_text
from harness.report.number_text import count, seconds
from harness.report.outcome import Outcome
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.site.addresses import record_page
from harness.site.figures import PLAIN, Figure, figure_of, floor_figure
from harness.store.record_names import row_name


@dataclass(frozen=True)
class Head:
    """The head of a column.

    Args:
        about: what the column measures, in Markdown; empty for columns that hold no metric.
        is_text: whether the column is sorted as text.
    """

    text: str
    about: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Seed:
    """One cell under its row.

    Args:
        page: address of the record's page from the page of the board; empty while there is no record.
        cells: a text for each column after the names.
    """

    seed: int
    page: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class ShownRow:
    """A row, or a floor.

    Args:
        names: base, method, sampler, number of samples, as far as the table has them.
        figures: one for each metric and statistic.
        others: the cells after the figures, the last one of which is the status.
        sort_values: numbers by which `others` are sorted; None for text and where there is none.
    """

    names: tuple[str, ...]
    figures: tuple[Figure, ...]
    others: tuple[str, ...]
    sort_values: tuple[float | None, ...]
    is_floor: bool
    is_whole: bool
    seeds: tuple[Seed, ...] = ()


@dataclass(frozen=True)
class BoardTable:
    """The table.

    Args:
        name_heads, figure_heads, other_heads: in the order of the columns.
    """

    name_heads: tuple[Head, ...]
    figure_heads: tuple[Head, ...]
    other_heads: tuple[Head, ...]
    rows: tuple[ShownRow, ...]

    @property
    def heads(self) -> tuple[Head, ...]:
        """All heads."""
        return (*self.name_heads, *self.figure_heads, *self.other_heads)

    @property
    def filters(self) -> list[tuple[int, str, list[str]]]:
        """The columns that rows can be filtered by: place, head, and the values of rows that are no floors."""
        rows = [row for row in self.rows if not row.is_floor]
        found = [
            (place, head.text, list(dict.fromkeys(row.names[place] for row in rows)))
            for place, head in enumerate(self.name_heads)
        ]
        return [(place, head, values) for place, head, values in found if len(values) > 1]


def board_table(table: Table, collection: Collection) -> BoardTable:
    """Return the table, whose texts are those of the board's page in Markdown."""
    shown = display(table, PLAIN)
    names = shown.texts + bool(table.board.config.evaluation.sizes)
    figures = slice(names, names + len(table.columns))
    cells_of = {row.name: cells for row, cells in collection.rows}
    rows = []
    for texts, source in zip(shown.rows, [row for block in shown.table_rows for row in block], strict=True):
        if source is None:
            rows.append(_floor(texts, names, table))
        else:
            cells = cells_of[row_name(source.base, source.method, source.size, source.sampler)]
            rows.append(_row(texts, names, source, cells, table, collection))
    draws = table.board.cells[0].evaluation.draws
    about = [column_text(column, draws) for column, _ in table.columns]
    return BoardTable(
        tuple(Head(text, is_text=place < shown.texts) for place, text in enumerate(shown.heads[:names])),
        tuple(Head(text, about_column) for text, about_column in zip(shown.heads[figures], about, strict=True)),
        tuple(Head(text, is_text=text == "Status") for text in shown.heads[figures.stop :]),
        tuple(rows),
    )


def _floor(texts: Sequence[str], names: int, table: Table) -> ShownRow:
    size = int(texts[names - 1]) if table.board.config.evaluation.sizes else None
    figures = tuple(floor_figure(table, column, size, statistic) for column, statistic in table.columns)
    others = tuple(texts[names + len(figures) :])
    return ShownRow(tuple(texts[:names]), figures, others, (None,) * len(others), is_floor=True, is_whole=True)


def _row(texts: Sequence[str], names: int, row: TableRow, cells: list[Cell], table: Table, collection: Collection) -> ShownRow:
    seeds = [cell.seed for cell in cells]
    figures = tuple(figure_of(row, column, statistic, table, seeds) for column, statistic in table.columns)
    others = tuple(texts[names + len(figures) :])
    numbers: tuple[float | None, ...] = (row.done,)
    if table.has_models:
        numbers = (*numbers, row.nfe, row.parameters, row.images_seen, row.seconds)
    if table.cost_head is not None:
        numbers = (*numbers, table.cost_over_control(row))
    return ShownRow(
        names=tuple(texts[:names]),
        figures=figures,
        others=others,
        sort_values=(*numbers, None),
        is_floor=False,
        is_whole=row.is_whole,
        seeds=tuple(_seed(cell, collection, table) for cell in cells if _has_line(cell, collection)),
    )


def _has_line(cell: Cell, collection: Collection) -> bool:
    """Return whether a cell can run, or has a record that says why it cannot."""
    return cell.skip_reason is None or cell.name in collection.records


def _seed(cell: Cell, collection: Collection, table: Table) -> Seed:
    outcome = collection.records.get(cell.name)
    figures = [_value(outcome, column, statistic) for column, statistic in table.columns]
    blank = "" if table.cost_head is None else PLAIN.none
    if outcome is None:
        status, costs = "stale" if cell.name in collection.stale_cells else "not run", [PLAIN.none] * 4
    else:
        status = "" if outcome.status == "done" else f"{outcome.status}: {first_line(outcome.reason)}".removesuffix(": ")
        costs = [count(outcome.nfe), count(outcome.parameters), count(outcome.images_seen), seconds(outcome.seconds_finetune)]
    models = [*costs, *([blank] if blank else [])] if table.has_models else []
    page = record_page(cell.name) if outcome is not None else ""
    return Seed(cell.seed, page, (*figures, "", *models, status))


def _value(outcome: Outcome | None, column: Column, statistic: Statistic) -> str:
    if outcome is None or outcome.status != "done":
        return PLAIN.none
    value = (outcome.means if statistic == "mean" else outcome.minima).get(column.name)
    return PLAIN.none if value is None else rounded(value, column)
