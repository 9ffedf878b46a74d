"""The table of a board: the floor, then a row for each base × method, with the marks that readers look for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.board.cells import BoardMetric
from harness.board.load import Board
from harness.report.collect import Collection
from harness.report.rows import Score, TableRow, floor_scores, table_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Rows and floors of a board, in numbers."""

    board: Board
    rows: tuple[TableRow, ...]
    floors: Mapping[str, Score]

    @classmethod
    def of(cls, collection: Collection) -> Table:
        """From a board's records."""
        return cls(collection.board, tuple(table_rows(collection)), floor_scores(collection))

    def frame(self) -> pd.DataFrame:
        """The numbers as measured, unrounded, in their own units, missing ones empty; the floor is the first row."""
        import pandas as pd

        records = [self._floor_numbers(), *(self._row_numbers(row) for row in self.rows)]
        return pd.DataFrame.from_records(records)

    def _floor_numbers(self) -> dict[str, object]:
        return {"base": "floor", "method": "", "label": "real against real", **self._scores(self.floors)}

    def _row_numbers(self, row: TableRow) -> dict[str, object]:
        return {
            "base": row.base,
            "method": row.method,
            "label": f"{row.base_label} × {row.method_label}",
            **self._scores(row.scores),
            "seeds": row.seeds,
            "done": row.done,
            "nfe": row.nfe,
            "parameters": row.parameters,
            "images_seen": row.images_seen,
            "seconds_finetune": row.seconds,
            "status": "; ".join(row.notes),
        }

    def _scores(self, scores: Mapping[str, Score]) -> dict[str, object]:
        numbers: dict[str, object] = {}
        for metric in self.board.metrics:
            found = scores.get(metric.name)
            numbers[f"{metric.name} mean"] = None if found is None else found.mean
            numbers[f"{metric.name} sd"] = None if found is None else found.sd
            numbers[f"{metric.name} n"] = 0 if found is None else found.n
        return numbers


@dataclass(frozen=True)
class Style:
    """How one format writes what the table says.

    Args:
        bold: of a formatted figure.
        plus_minus, floor_mark, none: as written between mean and deviation, after a figure at the floor, for no figure.
        down, up: arrows in the head of a column.
        text: escapes what the format would take for markup.
        unit: "1e-2" as a factor in a head.
    """

    bold: Callable[[str], str]
    plus_minus: str
    floor_mark: str
    none: str
    down: str
    up: str
    text: Callable[[str], str]
    unit: Callable[[float], str]


def display(table: Table, style: Style) -> pd.DataFrame:
    """The table as readers see it: strings, in the units and decimals of the board."""
    import pandas as pd

    names = [style.text("Base"), "Method", *(head(metric, style) for metric in table.board.metrics)]
    names += ["Seeds", "NFE", "Parameters", "Images", "Seconds", "Status"]
    rows = [_floor_row(table, style), *(_display_row(row, table.board, style) for row in table.rows)]
    return pd.DataFrame(rows, columns=names)


def head(metric: BoardMetric, style: Style) -> str:
    """`sliced-w2 ↓ (×1e-2)`."""
    arrow = style.up if metric.component.higher_is_better else style.down
    unit = metric.component.unit
    factor = "" if metric.use.shown_in == 1 else style.unit(metric.use.shown_in)
    inside = " ".join(part for part in (factor, unit) if part)
    return f"{style.text(metric.label)} {arrow}" + (f" ({inside})" if inside else "")


def figure(found: Score | None, metric: BoardMetric, style: Style) -> str:
    """Mean ± standard deviation in the column's unit and decimals."""
    if found is None:
        return style.none
    mean = f"{found.mean / metric.use.shown_in:.{metric.use.digits}f}"
    if found.sd is None:
        return mean
    return f"{mean}{style.plus_minus}{found.sd / metric.use.shown_in:.{metric.use.digits}f}"


def _floor_row(table: Table, style: Style) -> list[str]:
    scores = [figure(table.floors.get(metric.name), metric, style) for metric in table.board.metrics]
    pairs = sorted({found.n for found in table.floors.values()})
    note = f"over {'/'.join(map(str, pairs))} pairs of draws" if pairs else "not run"
    return ["Floor", "real against real", *scores, *[style.none] * 5, note]


def _display_row(row: TableRow, board: Board, style: Style) -> list[str]:
    return [
        style.text(row.base_label),
        style.text(row.method_label),
        *(_marked(row, metric, style) for metric in board.metrics),
        f"{row.done}/{row.seeds}" if row.done < row.seeds else str(row.seeds),
        style.none if row.nfe is None else count(row.nfe),
        style.none if row.parameters is None else count(row.parameters),
        style.none if row.images_seen is None else count(row.images_seen),
        style.none if row.seconds is None else seconds(row.seconds),
        style.text("; ".join(row.notes)),
    ]


def _marked(row: TableRow, metric: BoardMetric, style: Style) -> str:
    text = figure(row.scores.get(metric.name), metric, style)
    if metric.name in row.is_best:
        text = style.bold(text)
    return text + (style.floor_mark if metric.name in row.at_floor else "")


def count(number: float) -> str:
    """A count in three digits: `35`, `50.2k`, `3.0M`."""
    # Each from where the smaller unit would round to 1000.
    for least, size, letter in ((999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (1e4, 1e3, "k")):
        if number >= least:
            scaled = number / size
            return f"{scaled:.3g}{letter}" if scaled >= 100 else f"{scaled:.1f}{letter}"
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.1f}"


def seconds(number: float) -> str:
    """Seconds without false precision."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}" if number > 0 else "0"


def power_of_ten(number: float) -> int | None:
    """The exponent of an exact power of ten, else None."""
    exponent = round(math.log10(number))
    return exponent if math.isclose(number, 10.0**exponent, rel_tol=1e-12) else None
