"""A comparison of two rows as strings for a terminal, and as numbers for other programs."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from harness.report.comparison import ENOUGH_SEEDS, Comparison, full_name, values_by_seed
from harness.report.display import column_head, rounded
from harness.report.number_text import p_value
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.report.terminal_style import PLAIN
from harness.statistics.power import MOST, POWER
from harness.statistics.student import LEVEL

NONE = PLAIN.none


def comparison_rows(table: Table, comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """Return a line for each comparison, by the heads of its columns. Figures are in the unit of the board's column."""
    methods_of: dict[tuple[str, str], set[str]] = {}
    for row in table.rows:
        methods_of.setdefault((row.base, row.method_label), set()).add(row.method)
    repeated = frozenset(place for place, methods in methods_of.items() if len(methods) > 1)
    return [_line(each, repeated) for each in comparisons]


def _line(comparison: Comparison, repeated: Collection[tuple[str, str]]) -> dict[str, str]:
    """Return a comparison by the heads of its columns. repeated: base and label of methods that share a label on a base."""
    first, second, column = comparison.first, comparison.second, comparison.column
    difference = comparison.difference
    a, b = _mean_of_shared(comparison)
    line = {
        "rows": _rows_text(first, second),
        "column": column_head(column, "mean", PLAIN),
        "first": NONE if a is None else rounded(a, column),
        "second": NONE if b is None else rounded(b, column),
        "difference": NONE,
        "95 % t": NONE,
        "95 % bootstrap": NONE,
        "p": NONE,
        "p (Holm)": NONE,
        "seeds": str(len(_shared(comparison))),
        "seeds to tell": NONE,
        "finding": _lacking(comparison) or "too few shared seeds",
    }
    if difference is None:
        return line
    return line | {
        "difference": rounded(difference.mean, column),
        "95 % t": _interval(difference.interval, comparison),
        "95 % bootstrap": _interval(comparison.bootstrap, comparison),
        "p": p_value(difference.p),
        "p (Holm)": NONE if comparison.adjusted_p is None else p_value(comparison.adjusted_p),
        "seeds to tell": _seeds_to_tell(comparison),
        "finding": _finding(comparison, repeated),
    }


def _mean_of_shared(comparison: Comparison) -> tuple[float | None, float | None]:
    """Return the means of both rows over the seeds that both have done, so that their difference is the one that is shown."""
    if not (pairs := _shared(comparison)):
        return None, None
    first, second = zip(*pairs, strict=True)
    return math.fsum(first) / len(first), math.fsum(second) / len(second)


def _shared(comparison: Comparison) -> list[tuple[float, float]]:
    """Return the values of both rows for each seed that both have done."""
    return [(a, b) for _, a, b in values_by_seed(comparison) if a is not None and b is not None]


def _rows_text(first: TableRow, second: TableRow) -> str:
    return f"{full_name(first)} - {full_name(second)}"


def _interval(bounds: tuple[float, float] | None, comparison: Comparison) -> str:
    if bounds is None:
        return NONE
    return f"[{rounded(bounds[0], comparison.column)}, {rounded(bounds[1], comparison.column)}]"


def _seeds_to_tell(comparison: Comparison) -> str:
    difference = comparison.difference
    if difference is None or difference.mean == 0 or difference.low is None:
        return NONE
    return f"> {MOST}" if comparison.pairs_to_tell is None else str(comparison.pairs_to_tell)


def _lacking(comparison: Comparison) -> str:
    """Return how the seeds that are not done ended, of both rows; "" where all are done."""
    rows = (comparison.first, comparison.second)
    return "; ".join(f"{full_name(row)} {', '.join(row.notes)}" for row in rows if row.notes)


def _finding(comparison: Comparison, repeated: Collection[tuple[str, str]]) -> str:
    if not comparison.column.ranks:
        return "the column does not rank"
    if not comparison.is_whole:
        return f"none: {_lacking(comparison)}"
    return "not told apart" if comparison.better is None else f"{_name(comparison.better, comparison, repeated)} is better"


def _name(row: TableRow, comparison: Comparison, repeated: Collection[tuple[str, str]]) -> str:
    """Return the label of a row's method; with its key, or with its base, where the label does not say which row is meant."""
    if comparison.first.base != comparison.second.base:
        return f"{row.method_label} ({full_name(row)})"
    return f"{row.method_label} ({row.method})" if (row.base, row.method_label) in repeated else row.method_label


def explanation(table: Table, comparisons: Sequence[Comparison]) -> list[str]:
    """Return lines that say what the figures are, and what they are not."""
    tests = sum(each.difference is not None for each in comparisons)
    lines = [
        f"board {table.board.name}; a difference is first - second over the seeds that both have done, which share real examples",
        f"p: paired t test; p (Holm): adjusted for the tests here ({tests}), which the finding goes by (level {LEVEL:g})",
        f"seeds to tell: how many show such a difference with {POWER:.0%} power, if mean and spread here are the true ones",
    ]
    if any(each.difference is not None and each.difference.n < ENOUGH_SEEDS and each.bootstrap for each in comparisons):
        lines.append("bootstrap: with fewer than ten seeds its interval is too narrow; trust the t interval")
    return lines


def comparison_numbers(table: Table, comparisons: Sequence[Comparison]) -> dict[str, object]:
    """Return the comparison as plain objects: unrounded, in the metrics' own units, with the value of each seed."""
    return {"board": table.board.name, "level": LEVEL, "power": POWER, "comparisons": [_numbers(each) for each in comparisons]}


def _numbers(comparison: Comparison) -> dict[str, object]:
    difference = comparison.difference
    return {
        "first": full_name(comparison.first),
        "second": full_name(comparison.second),
        "metric": comparison.column.name,
        "higher_is_better": comparison.column.higher_is_better,
        "seeds": [{"seed": seed, "first": a, "second": b} for seed, a, b in values_by_seed(comparison)],
        "n": len(_shared(comparison)),
        "difference": None if difference is None else difference.mean,
        "t_interval": None if difference is None else difference.interval,
        "bootstrap_interval": None if comparison.bootstrap is None else list(comparison.bootstrap),
        "p": None if difference is None else difference.p,
        "p_holm": comparison.adjusted_p,
        "seeds_to_tell": comparison.pairs_to_tell,
        "lacking": _lacking(comparison),
        "better": None if comparison.better is None else full_name(comparison.better),
    }
