"""The table of a board in numbers: the floors, then a row for each base × method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.board.board import Board
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.collect import Collection
from harness.report.extractor_versions import check_extractor_versions
from harness.report.floors import floor_minima, floor_scores
from harness.report.marks import marked_rows
from harness.report.rows import TableRow, table_rows
from harness.report.scores import Score
from harness.store.record_names import floor_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Rows and floors of a board.

    Args:
        floors, floor_minima: the score of each floor that is measured, by the floor's name. A floor's minima are over as many
            pairs as a cell has draws.
    """

    board: Board
    rows: tuple[TableRow, ...]
    floors: Mapping[str, Score]
    floor_minima: Mapping[str, Score]

    @classmethod
    def from_collection(cls, collection: Collection) -> Table:
        """Make the table of a board's records.

        Raises: UserError where a column would hold numbers of several versions of its extractor.
        """
        check_extractor_versions(collection)
        floors = floor_scores(collection)
        rows = marked_rows(table_rows(collection), collection.board.columns, floors)
        return cls(collection.board, tuple(rows), floors, floor_minima(collection))

    @property
    def sizes(self) -> list[int | None]:
        """Numbers of samples that the board has rows of, in its order; a single None on a board with one number for all rows."""
        return list(dict.fromkeys(floor.size for floor in self.board.floors))

    @property
    def has_models(self) -> bool:
        """True when any row is of a model; the rows of a board of data are of data in the place of models."""
        return not all(row.is_data for row in self.rows)

    @property
    def columns(self) -> list[tuple[Column, Statistic]]:
        """Every metric, once for each statistic that the board shows of it."""
        return [(column, statistic) for column in self.board.columns for statistic in column.statistics]

    def floor(self, column: Column, size: int | None, statistic: Statistic = "mean") -> Score | None:
        """Return the floor of a column at a number of samples; None when the floor is not measured."""
        floors = self.floors if statistic == "mean" else self.floor_minima
        return floors.get(floor_name(column.name, size))

    def frame(self) -> pd.DataFrame:
        """Return the numbers as measured, unrounded, in their own units; the floors come first, and missing numbers are empty."""
        import pandas as pd

        floors = [self._floor_numbers(size) for size in self.sizes]
        # As objects: a column of whole numbers with an empty place would else become floats, and three seeds `3.0`.
        return pd.DataFrame([*floors, *(self._row_numbers(row) for row in self.rows)], dtype=object)

    def _floor_numbers(self, size: int | None) -> dict[str, object]:
        scores = self._score_numbers(lambda column, statistic: self.floor(column, size, statistic))
        return {"base": "floor", "method": "", "label": "real against real", **_size_number(size), **scores}

    def _row_numbers(self, row: TableRow) -> dict[str, object]:
        return {
            "base": row.base,
            "method": row.method,
            "label": row.base_label if row.is_data else f"{row.base_label} × {row.method_label}",
            **_size_number(row.size),
            **self._score_numbers(row.score),
            "seeds": row.seeds,
            "done": row.done,
            "nfe": _whole(row.nfe),
            "parameters": row.parameters,
            "images_seen": _whole(row.images_seen),
            "seconds_finetune": row.seconds,
            "status": "; ".join(row.notes),
        }

    def _score_numbers(self, score_of_column: Callable[[Column, Statistic], Score | None]) -> dict[str, object]:
        """Return mean, sd and n of each metric's mean over draws, and of each other statistic that the board shows."""
        numbers: dict[str, object] = {}
        for column in self.board.columns:
            for statistic in dict.fromkeys(("mean", *column.statistics)):
                score = score_of_column(column, statistic)
                name = column.name if statistic == "mean" else f"{column.name} {statistic}"
                numbers[f"{name} mean"] = None if score is None else score.mean
                numbers[f"{name} sd"] = None if score is None else score.sd
                numbers[f"{name} n"] = 0 if score is None else score.n
        return numbers


def _whole(mean_count: float | None) -> float | int | None:
    """Return a mean of counts as a whole number where it is one."""
    return int(mean_count) if mean_count is not None and mean_count.is_integer() else mean_count


def _size_number(size: int | None) -> dict[str, object]:
    return {} if size is None else {"samples": size}
