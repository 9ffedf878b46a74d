"""The table of a board as readers see it: strings, in the units and decimals of the board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.number_text import count, decimals, seconds
from harness.report.rows import TableRow
from harness.report.scores import Score
from harness.report.table import Table

MODEL_COLUMNS = ("NFE", "Parameters", "Images", "Seconds")


@dataclass(frozen=True)
class Style:
    """How one format writes what the table says.

    Args:
        bold: makes a figure bold.
        plus_minus: what stands between a mean and its deviation.
        floor_mark: what follows a figure that cannot be told from real data.
        beyond_mark: what follows a figure that is better than that of real data.
        none: what stands where there is no figure.
        down, up: arrows in the head of a column.
        escape: keeps the format from taking plain text for markup.
        signed: writes a number that may have a sign.
        factor: writes the factor that a column is shown in.
    """

    bold: Callable[[str], str]
    plus_minus: str
    floor_mark: str
    beyond_mark: str
    none: str
    down: str
    up: str
    escape: Callable[[str], str]
    signed: Callable[[str], str]
    factor: Callable[[float], str]


@dataclass(frozen=True)
class Display:
    """The table as strings.

    Args:
        texts: how many columns, from the left, are text; the last column is text too.
        blocks: the rows at each number of samples, the floor first.
    """

    heads: list[str]
    texts: int
    blocks: list[list[list[str]]]

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all blocks."""
        return [row for block in self.blocks for row in block]


def display(table: Table, style: Style) -> Display:
    """Write the table in a style. A board without models has no MODEL_COLUMNS."""
    names = ["Base", "Method"] if table.has_models else ["Data"]
    size_column = ["n"] if table.board.config.evaluation.sizes else []
    figures = [column_head(column, statistic, style) for column, statistic in table.columns]
    heads = [*names, *size_column, *figures, "Seeds", *_model_heads(table, style), "Status"]
    blocks = [
        [_floor_row(table, size, style), *(_row(row, table, style) for row in table.rows if row.size == size)]
        for size in table.sizes
    ]
    return Display(heads, len(names), blocks)


def _model_heads(table: Table, style: Style) -> list[str]:
    """Return MODEL_COLUMNS and, where the records say it, the cost; nothing for a board without models."""
    if not table.has_models:
        return []
    return [*MODEL_COLUMNS, *([] if table.cost_head is None else [style.escape(table.cost_head)])]


def column_head(column: Column, statistic: Statistic, style: Style) -> str:
    """Return the head of a column: `sliced-w2 ↓ (×1e-2)`."""
    arrow = style.up if column.higher_is_better else style.down
    label = style.escape(column.label)
    factor = "" if column.shown_in == 1 else style.factor(column.shown_in)
    unit = " ".join(part for part in (factor, column.unit) if part)
    minimum = f"minimum of {column.draws}" if statistic == "minimum" else ""
    remark = ", ".join(part for part in (unit, minimum) if part)
    return (f"{label} {arrow}" if column.ranks else label) + (f" ({remark})" if remark else "")


def figure(score: Score | None, column: Column, style: Style) -> str:
    """Return mean ± standard deviation in the column's unit and decimals."""
    if score is None:
        return style.none
    mean = rounded(score.mean, column)
    if score.sd is None:
        return mean
    return f"{mean}{style.plus_minus}{rounded(score.sd, column)}"


def rounded(number: float, column: Column) -> str:
    """Return a number in the column's unit and decimals."""
    return decimals(number / column.shown_in, column.digits)


def _floor_row(table: Table, size: int | None, style: Style) -> list[str]:
    figures = [figure(table.floor(column, size, statistic), column, style) for column, statistic in table.columns]
    floors = [table.floor(column, size) for column in table.board.columns]
    pairs = sorted({floor.n for floor in floors if floor is not None})
    status = f"over {' or '.join(map(str, pairs))} pairs of draws" if pairs else "not run"
    names = ["Floor", "real against real"] if table.has_models else ["Floor: real against real"]
    seeds_and_model = [style.none] * (1 + len(_model_heads(table, style)))
    return [*names, *_size_cell(size), *figures, *seeds_and_model, status]


def _row(row: TableRow, table: Table, style: Style) -> list[str]:
    return [
        style.escape(row.base_label),
        *([style.escape(row.method_label)] if table.has_models else []),
        *_size_cell(row.size),
        *(_marked_figure(row, column, statistic, style) for column, statistic in table.columns),
        f"{row.done}/{row.seeds}" if row.done < row.seeds else str(row.seeds),
        *(_model_cells(row, table, style) if table.has_models else []),
        style.escape("; ".join(row.notes)),
    ]


def _size_cell(size: int | None) -> list[str]:
    return [] if size is None else [str(size)]


def _model_cells(row: TableRow, table: Table, style: Style) -> list[str]:
    """The cells of MODEL_COLUMNS, in their order, and the cost over the control's where the table has it."""
    counts = [style.none if number is None else count(number) for number in (row.nfe, row.parameters, row.images_seen)]
    cells = [*counts, style.none if row.seconds is None else seconds(row.seconds)]
    if table.cost_head is not None:
        ratio = table.cost_over_control(row)
        cells.append(style.none if ratio is None else f"{ratio:.3g}" if ratio >= 10 else f"{ratio:.1f}")
    return [style.none] * len(cells) if row.is_data else cells


def _marked_figure(row: TableRow, column: Column, statistic: Statistic, style: Style) -> str:
    text = figure(row.score(column, statistic), column, style)
    if statistic != "mean" or not column.ranks:
        return text
    if column.name in row.maybe_best:
        text = style.bold(text)
    at_floor, beyond = column.name in row.at_floor, column.name in row.beyond_floor
    return text + (style.floor_mark if at_floor else style.beyond_mark if beyond else "")
