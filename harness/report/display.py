"""The table of a board as readers see it: strings, in the units and decimals of the board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.number_text import count, decimals, seconds
from harness.report.rows import TableRow
from harness.report.scores import Score
from harness.report.table import Table
from harness.store.record_names import floor_name

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
        blocks: the rows at each number of samples, the floor first. Where the board has several samplers, each has a block, and
            the floor stands in the first one.
        with_floor: the places of the blocks that begin with a floor.
        table_rows: the row of the table that each row of `blocks` shows; None for a floor.
    """

    heads: list[str]
    texts: int
    blocks: list[list[list[str]]]
    with_floor: frozenset[int]
    table_rows: list[list[TableRow | None]]

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all blocks."""
        return [row for block in self.blocks for row in block]


def display(table: Table, style: Style) -> Display:
    """Write the table in a style. A board without models has no MODEL_COLUMNS."""
    names = ["Base", "Method"] if table.has_models else ["Data"]
    sampler_column = ["Sampler"] if table.has_samplers else []
    size_column = ["n"] if table.board.config.evaluation.sizes else []
    figures = [column_head(column, statistic, style) for column, statistic in table.columns]
    heads = [*names, *sampler_column, *size_column, *figures, "Seeds", *_model_heads(table, style), "Status"]
    of_sizes = [(size, _blocks(table, size)) for size in table.sizes]
    with_floor = frozenset(sum(len(blocks) for _, blocks in of_sizes[:index]) for index in range(len(of_sizes)))
    texts = [
        [_floor_row(table, size, style) if row is None else _row(row, table, style) for row in block]
        for size, blocks in of_sizes
        for block in blocks
    ]
    return Display(
        heads, len(names) + len(sampler_column), texts, with_floor, [block for _, blocks in of_sizes for block in blocks]
    )


def _blocks(table: Table, size: int | None) -> list[list[TableRow | None]]:
    """Return the blocks at a number of samples, one a sampler. The first one begins with the floor, None, and holds data."""
    rows_of: dict[str | None, list[TableRow | None]] = {sampler: [] for sampler in table.samplers}
    for row in table.rows:
        if row.size == size:
            rows_of[table.samplers[0] if row.is_data else row.sampler].append(row)
    first, *others = rows_of.values()
    return [[None, *first], *(rows for rows in others if rows)]


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
    names = ["Floor", "real against real"] if table.has_models else ["Floor: real against real"]
    seeds_and_model = [style.none] * (1 + len(_model_heads(table, style)))
    sampler = [style.none] if table.has_samplers else []
    return [*names, *sampler, *_size_cell(size), *figures, *seeds_and_model, _floor_status(table, size, pairs)]


def _floor_status(table: Table, size: int | None, pairs: Sequence[int]) -> str:
    """Say how many pairs of draws the floors of the row have. pairs: the different numbers of them."""
    if pairs:
        return f"over {' or '.join(map(str, pairs))} pairs of draws"
    names = {floor_name(column.name, size) for column in table.board.columns}
    if names & table.without_pairs:
        return "none: the dataset has too few real examples for a draw"
    return "stale" if names & table.stale_floors else "not run"


def _row(row: TableRow, table: Table, style: Style) -> list[str]:
    return [
        style.escape(row.base_label),
        *([style.escape(row.method_label)] if table.has_models else []),
        *sampler_cell(row, table, style),
        *_size_cell(row.size),
        *(_marked_figure(row, column, statistic, style) for column, statistic in table.columns),
        f"{row.done}/{row.seeds}" if row.done < row.seeds else str(row.seeds),
        *(_model_cells(row, table, style) if table.has_models else []),
        style.escape("; ".join(row.notes)),
    ]


def sampler_cell(row: TableRow, table: Table, style: Style) -> list[str]:
    """Return the row's cell of the column of samplers; nothing on a board without one."""
    if not table.has_samplers:
        return []
    return [style.none if row.sampler_label is None else style.escape(row.sampler_label)]


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


@dataclass(frozen=True)
class Marks:
    """The marks of one figure: bold, †, ‡."""

    is_bold: bool = False
    at_floor: bool = False
    beyond_floor: bool = False


def marks_of(row: TableRow, column: Column, statistic: Statistic) -> Marks:
    """Return the marks of a row's figure. Only means in columns that rank have any."""
    if statistic != "mean" or not column.ranks:
        return Marks()
    return Marks(column.name in row.maybe_best, column.name in row.at_floor, column.name in row.beyond_floor)


def _marked_figure(row: TableRow, column: Column, statistic: Statistic, style: Style) -> str:
    text, marks = figure(row.score(column, statistic), column, style), marks_of(row, column, statistic)
    if marks.is_bold:
        text = style.bold(text)
    return text + (style.floor_mark if marks.at_floor else style.beyond_mark if marks.beyond_floor else "")
