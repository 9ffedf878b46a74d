"""The table of a board: the floor, then a row for each base × method, with the marks that readers look for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.board.board import Board
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.collect import Collection
from harness.report.extractors import used
from harness.report.rows import Score, TableRow, floor_minima, floor_scores, table_rows
from harness.store.record_names import floor_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Rows and floors of a board, in numbers.

    Args:
        floors, floor_minima: by the floor's name; the second are minima of as many pairs as a cell has draws.
    """

    board: Board
    rows: tuple[TableRow, ...]
    floors: Mapping[str, Score]
    floor_minima: Mapping[str, Score]

    @classmethod
    def of(cls, collection: Collection) -> Table:
        """From a board's records. Raises: UserError where they are of an extractor with different weights."""
        used(collection)  # refuses numbers that do not share a column
        rows = tuple(table_rows(collection))
        return cls(collection.board, rows, floor_scores(collection), floor_minima(collection))

    @property
    def sizes(self) -> list[int | None]:
        """Numbers of samples that the board has rows of, in its order; a single None where it has one for all."""
        return list(dict.fromkeys(floor.size for floor in self.board.floors))

    @property
    def has_models(self) -> bool:
        """Whether any row is of a model, and not of data in the place of one."""
        return not all(row.is_data for row in self.rows)

    @property
    def columns(self) -> list[tuple[Column, Statistic]]:
        """Every metric, as often as the board shows it."""
        return [(metric, statistic) for metric in self.board.columns for statistic in metric.statistics]

    def floor(self, metric: Column, size: int | None, statistic: Statistic = "mean") -> Score | None:
        """Of a column at a number of samples; None when it is not measured."""
        floors = self.floors if statistic == "mean" else self.floor_minima
        return floors.get(floor_name(metric.name, size))

    def frame(self) -> pd.DataFrame:
        """The numbers as measured, unrounded, in their own units, missing ones empty; the floors are the first rows."""
        import pandas as pd

        floors = [self._floor_numbers(size) for size in self.sizes]
        return pd.DataFrame.from_records([*floors, *(self._row_numbers(row) for row in self.rows)])

    def _floor_numbers(self, size: int | None) -> dict[str, object]:
        scores = self._scores(lambda metric, statistic: self.floor(metric, size, statistic))
        return {"base": "floor", "method": "", "label": "real against real", **_size(size), **scores}

    def _row_numbers(self, row: TableRow) -> dict[str, object]:
        return {
            "base": row.base,
            "method": row.method,
            "label": row.base_label if row.is_data else f"{row.base_label} × {row.method_label}",
            **_size(row.size),
            **self._scores(row.score),
            "seeds": row.seeds,
            "done": row.done,
            "nfe": row.nfe,
            "parameters": row.parameters,
            "images_seen": row.images_seen,
            "seconds_finetune": row.seconds,
            "status": "; ".join(row.notes),
        }

    def _scores(self, of: Callable[[Column, Statistic], Score | None]) -> dict[str, object]:
        numbers: dict[str, object] = {}
        for metric in self.board.columns:
            # The means always, and what else the board shows.
            for statistic in dict.fromkeys(("mean", *metric.statistics)):
                found = of(metric, statistic)
                name = metric.name if statistic == "mean" else f"{metric.name} {statistic}"
                numbers[f"{name} mean"] = None if found is None else found.mean
                numbers[f"{name} sd"] = None if found is None else found.sd
                numbers[f"{name} n"] = 0 if found is None else found.n
        return numbers


def _size(size: int | None) -> dict[str, object]:
    return {} if size is None else {"samples": size}


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


@dataclass(frozen=True)
class Display:
    """The table as readers see it: strings, in the units and decimals of the board.

    Args:
        texts: how many columns, from the left, are text; the last is text too.
        blocks: rows at one number of samples, the floor first.
    """

    heads: list[str]
    texts: int
    blocks: list[list[list[str]]]

    @property
    def rows(self) -> list[list[str]]:
        """Of all blocks."""
        return [row for block in self.blocks for row in block]


def display(table: Table, style: Style) -> Display:
    """The table in a format. Columns that say nothing are left out: those of models, on a board of data alone."""
    names = ["Base", "Method"] if table.has_models else ["Data"]
    texts = len(names)
    names += ["n"] if table.board.config.evaluation.sizes else []
    names += [head(metric, statistic, style) for metric, statistic in table.columns]
    names += ["Seeds", *(MODEL_COLUMNS if table.has_models else ()), "Status"]
    blocks = [
        [_floor_row(table, size, style), *(_display_row(row, table, style) for row in table.rows if row.size == size)]
        for size in table.sizes
    ]
    return Display(names, texts, blocks)


MODEL_COLUMNS = ("NFE", "Parameters", "Images", "Seconds")


def head(metric: Column, statistic: Statistic, style: Style) -> str:
    """`sliced-w2 ↓ (×1e-2)`."""
    arrow = style.up if metric.higher_is_better else style.down
    unit = metric.unit
    factor = "" if metric.shown_in == 1 else style.unit(metric.shown_in)
    least = f"minimum of {metric.draws}" if statistic == "minimum" else ""
    inside = ", ".join(part for part in (" ".join(part for part in (factor, unit) if part), least) if part)
    name = f"{style.text(metric.label)} {arrow}" if metric.ranks else style.text(metric.label)
    return name + (f" ({inside})" if inside else "")


def figure(found: Score | None, metric: Column, style: Style) -> str:
    """Mean ± standard deviation in the column's unit and decimals."""
    if found is None:
        return style.none
    mean = f"{found.mean / metric.shown_in:.{metric.digits}f}"
    if found.sd is None:
        return mean
    return f"{mean}{style.plus_minus}{found.sd / metric.shown_in:.{metric.digits}f}"


def _floor_row(table: Table, size: int | None, style: Style) -> list[str]:
    scores = [figure(table.floor(metric, size, statistic), metric, style) for metric, statistic in table.columns]
    floors = [table.floor(metric, size) for metric in table.board.columns]
    pairs = sorted({found.n for found in floors if found is not None})
    note = f"over {'/'.join(map(str, pairs))} pairs of draws" if pairs else "not run"
    names = ["Floor", "real against real"] if table.has_models else ["Floor: real against real"]
    nothing = [style.none] * (1 + (len(MODEL_COLUMNS) if table.has_models else 0))
    return [*names, *_size_cell(size), *scores, *nothing, note]


def _size_cell(size: int | None) -> list[str]:
    return [] if size is None else [str(size)]


def _display_row(row: TableRow, table: Table, style: Style) -> list[str]:
    model = [
        style.none if row.nfe is None or row.is_data else count(row.nfe),
        style.none if row.parameters is None or row.is_data else count(row.parameters),
        style.none if row.images_seen is None or row.is_data else count(row.images_seen),
        style.none if row.seconds is None or row.is_data else seconds(row.seconds),
    ]
    return [
        style.text(row.base_label),
        *([style.text(row.method_label)] if table.has_models else []),
        *_size_cell(row.size),
        *(_marked(row, metric, statistic, style) for metric, statistic in table.columns),
        f"{row.done}/{row.seeds}" if row.done < row.seeds else str(row.seeds),
        *(model if table.has_models else []),
        style.text("; ".join(row.notes)),
    ]


def _marked(row: TableRow, metric: Column, statistic: Statistic, style: Style) -> str:
    text = figure(row.score(metric, statistic), metric, style)
    if statistic != "mean" or not metric.ranks:
        return text
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
