"""Tables of what the figures of a column are worth: spreads, and each row less the floor, its base and the control."""

from __future__ import annotations

from dataclasses import dataclass

from harness.board.columns import Column
from harness.report.base_means import SharedBases
from harness.report.differences import FloorDifference
from harness.report.display import Style, column_head, rounded, sampler_cell
from harness.report.number_text import p_value
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.paired import PairedDifference

ABOUT = (
    "All in the unit of the column. A difference is its mean [95 % interval], and p says how often chance alone makes one as "
    "large, for each comparison by itself."
)
OF_FLOOR = (
    "A row less the floor: p is that of †, and asks whether all draws are real data; the interval is of the mean over further "
    "seeds."
)
OF_PAIRS = (
    "A row less its base or the control: over the seeds that are done in both (paired t test), since cells of a seed share real "
    "examples and the weights that they start from."
)
BY_BASES = "p by bases"
OF_FEW_BASES = (
    "Bases are pretrained {counts}. Cells that share a base are not independent: intervals, p and bold "
    "are about further seeds from these bases, and not about further bases."
)
OF_BASE_MEANS = (
    "*p by bases* is about further bases: the paired t test of the means over the cells of each base, a pair of numbers for each."
)


@dataclass(frozen=True)
class DifferenceTable:
    """The differences of one column as strings.

    Args:
        texts: how many columns, from the left, are text.
    """

    column: Column
    heads: list[str]
    texts: int
    rows: list[list[str]]


def difference_tables(table: Table, style: Style) -> list[DifferenceTable]:
    """Return a table for each column that ranks and has scores, in the order of the board."""
    tables = [_of_column(table, column, style) for column in table.ranking_columns]
    return [shown for shown in tables if shown.rows]


def section(table: Table, style: Style) -> str:
    """Return the section of a page, in Markdown: the first column's table, and the others folded; empty without scores."""
    from tabulate import tabulate

    tables = difference_tables(table, style)
    if not tables:
        return ""
    shown = [
        f"**{column_head(each.column, 'mean', style)}**\n\n"
        + tabulate(
            each.rows,
            headers=each.heads,
            tablefmt="pipe",
            colalign=["left"] * each.texts + ["right"] * (len(each.heads) - each.texts),
            disable_numparse=True,
        )
        for each in tables
    ]
    first, *others = shown
    parts = ["## Differences", about(table), first]
    if others:
        parts += ['<details markdown="1">\n<summary>The other columns</summary>', *others, "</details>"]
    return "\n\n".join(parts)


def about(table: Table) -> str:
    """Return what the figures of the tables mean."""
    has_pairs = any(row.trains for row in table.rows)
    return " ".join([ABOUT, OF_FLOOR, *([OF_PAIRS] if has_pairs else []), *_of_few_bases(table)])


def _of_few_bases(table: Table) -> list[str]:
    """Return sentences on rows with fewer bases than seeds; of the rows of a base the one with most seeds counts."""
    shared_by: dict[str, SharedBases] = {}
    for row in table.rows:
        shared = None if row.is_skipped else table.base_means.shared(row)
        if shared is not None and (row.base not in shared_by or shared.seeds > shared_by[row.base].seeds):
            shared_by[row.base] = shared
    if not shared_by:
        return []
    counts = " or ".join(
        f"{'once' if bases == 1 else f'{bases} times'} for {seeds} seeds" for bases, seeds in sorted(set(shared_by.values()))
    )
    return [OF_FEW_BASES.format(counts=counts), *([OF_BASE_MEANS] if _has_base_means(table) else [])]


def _has_base_means(table: Table) -> bool:
    """Return whether a table of differences has the column of p by bases."""
    return any(
        table.base_means.difference(row, other, column) is not None
        for row in table.rows
        for other in (table.base_of(row), table.control_of(row))
        for column in table.ranking_columns
    )


def _of_column(table: Table, column: Column, style: Style) -> DifferenceTable:
    rows = [row for row in table.rows if row.score(column) is not None]
    tests = [table.tests(row, column) for row in rows]
    parts = [
        (["SD between seeds"], [[_between(row, column, style)] for row in rows]),
        (["SD within a seed"], [[_within(row, column, style)] for row in rows]),
        (["− floor", "p"], [difference_cells(each.to_floor, row, column, style) for row, each in zip(rows, tests, strict=True)]),
        (["− base", "p"], [difference_cells(each.to_base, row, column, style) for row, each in zip(rows, tests, strict=True)]),
        ([BY_BASES], [[_by_bases(table, row, table.base_of(row), column, style)] for row in rows]),
        (
            [f"− {table.control_label}", "p"],
            [difference_cells(each.to_control, row, column, style) for row, each in zip(rows, tests, strict=True)],
        ),
        ([BY_BASES], [[_by_bases(table, row, table.control_of(row), column, style)] for row in rows]),
    ]
    names = ["Base", "Method"] if table.has_models else ["Data"]
    sampler = ["Sampler"] if table.has_samplers else []
    size = ["n"] if table.board.config.evaluation.sizes else []
    heads, cells = [*names, *sampler, *size], [_names(row, table, style) for row in rows]
    for part_heads, part_cells in parts:
        if any(text != style.none for texts in part_cells for text in texts):
            heads += [style.escape(head) for head in part_heads]
            cells = [[*before, *texts] for before, texts in zip(cells, part_cells, strict=True)]
    return DifferenceTable(column, heads, len(names) + len(sampler), cells)


def _names(row: TableRow, table: Table, style: Style) -> list[str]:
    names = [row.base_label, row.method_label] if table.has_models else [row.base_label]
    return [*map(style.escape, names), *sampler_cell(row, table, style), *([] if row.size is None else [str(row.size)])]


def _between(row: TableRow, column: Column, style: Style) -> str:
    score = row.score(column)
    return style.none if score is None or score.sd is None else rounded(score.sd, column)


def _within(row: TableRow, column: Column, style: Style) -> str:
    sd = row.within.get(column.name)
    return style.none if sd is None else rounded(sd, column)


def _by_bases(table: Table, row: TableRow, other: TableRow | None, column: Column, style: Style) -> str:
    difference = table.base_means.difference(row, other, column)
    return style.none if difference is None else style.escape(p_value(difference.p))


def difference_cells(
    difference: FloorDifference | PairedDifference | None, row: TableRow, column: Column, style: Style
) -> list[str]:
    """Return a difference with its interval, and its p."""
    if difference is None:
        return [style.none, style.none]
    text = interval_text(difference, column, style)
    if isinstance(difference, PairedDifference) and difference.n < row.seeds:
        text = f"{text} ({difference.n} seeds)"
    return [text, style.escape(p_value(difference.p))]


def interval_text(difference: FloorDifference | PairedDifference, column: Column, style: Style) -> str:
    """Return a difference with its interval in the column's unit and decimals: `−0.13 [−0.20, −0.06]`."""
    mean = style.signed(rounded(difference.mean, column))
    if difference.low is None or difference.high is None:
        return f"{mean} on every seed" if isinstance(difference, PairedDifference) else mean
    low, high = (style.signed(rounded(bound, column)) for bound in (difference.low, difference.high))
    return f"{mean} [{low}, {high}]"
