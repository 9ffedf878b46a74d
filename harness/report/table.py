"""The table of a board in numbers: the floors, then a row for each base × method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.board.board import Board
from harness.board.columns import Column
from harness.board.schema import Statistic
from harness.report.base_means import BaseMeans
from harness.report.collect import Collection
from harness.report.differences import FloorDifference, ReferenceRows, RowTests, row_tests
from harness.report.extractor_versions import check_extractor_versions
from harness.report.floors import FloorDraws, floor_draws, floor_minima, floor_scores
from harness.report.marks import marked_rows
from harness.report.reference_files import check_reference_files
from harness.report.rows import TableRow, table_rows
from harness.report.scores import Score
from harness.statistics.paired import PairedDifference
from harness.store.record_names import floor_name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Rows and floors of a board. Properties look through all rows once and keep what they found, since each row asks for it.

    Args:
        floors, floor_minima: the score of each floor that is measured, by the floor's name. A floor's minima are over as many
            pairs as a cell has draws.
        draws: the values of each floor, by the floor's name.
        without_pairs: names of the floors that can have no value, since the dataset has too few real examples for a draw.
        stale_floors: names of the floors whose record is stale.
    """

    board: Board
    rows: tuple[TableRow, ...]
    floors: Mapping[str, Score]
    floor_minima: Mapping[str, Score]
    draws: Mapping[str, FloorDraws]
    without_pairs: frozenset[str] = frozenset()
    stale_floors: frozenset[str] = frozenset()

    @classmethod
    def from_collection(cls, collection: Collection) -> Table:
        """Make the table of a board's records.

        Raises: UserError where a column would hold numbers of several versions of its extractor.
        """
        check_extractor_versions(collection)
        check_reference_files(collection)
        draws = floor_draws(collection)
        rows = marked_rows(table_rows(collection), collection.board.columns, draws)
        without_pairs = frozenset(name for name, record in collection.floors.items() if not record.values)
        floors, minima = floor_scores(collection), floor_minima(collection)
        return cls(collection.board, tuple(rows), floors, minima, draws, without_pairs, collection.stale_floors)

    @property
    def sizes(self) -> list[int | None]:
        """Numbers of samples that the board has rows of, in its order; a single None on a board with one number for all rows."""
        return list(dict.fromkeys(floor.size for floor in self.board.floors))

    @cached_property
    def samplers(self) -> list[str | None]:
        """Names of the samplers that the board has rows of, in its order; a single None on a board with one for all rows."""
        return list(dict.fromkeys(row.sampler for row in self.rows if not row.is_data)) or [None]

    @property
    def has_samplers(self) -> bool:
        """True on a board that compares several samplers, or names one, in its evaluation."""
        return self.samplers != [None]

    @cached_property
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

    @property
    def ranking_columns(self) -> list[Column]:
        """The metrics that tell better values from worse ones."""
        return [column for column in self.board.columns if column.ranks]

    def tests(self, row: TableRow, column: Column) -> RowTests:
        """Compare a row with its base, the control and the floor."""
        return row_tests(row, column, self._references, self.draws)

    def base_of(self, row: TableRow) -> TableRow | None:
        """Return the row of the same base that does not train; None for that row itself, and where the board has none."""
        return self._references.base_of(row)

    def control_of(self, row: TableRow) -> TableRow | None:
        """Return the row of the control on the same base; None for a row that does not train, for a control, and without one."""
        return self._references.control_of(row)

    def cost_over_control(self, row: TableRow) -> float | None:
        """Return what a row's training cost over what the control's did; None where the records do not say it."""
        return self._references.cost_over_control(row)

    @cached_property
    def base_means(self) -> BaseMeans:
        """Compares rows by the means over the cells of each pretraining of a base, where these are fewer than the seeds."""
        return BaseMeans(self.board)

    @cached_property
    def _references(self) -> ReferenceRows:
        return ReferenceRows(self.rows, self.board.config.control)

    @cached_property
    def cost_head(self) -> str | None:
        """The head of the column of `cost_over_control`, `Cost × continued MLE`; None where no row but the controls has it."""
        if all(self.cost_over_control(row) is None for row in self.rows if row.method not in self.board.config.control):
            return None
        return f"Cost × {self.control_label}"

    @cached_property
    def control_label(self) -> str:
        """The label of the control; `control` where the board has several with labels of their own, or none."""
        labels = {row.method_label for row in self.rows if row.method in self.board.config.control}
        return labels.pop() if len(labels) == 1 else "control"

    def frame(self) -> pd.DataFrame:
        """Return the numbers as measured, unrounded, in their own units; the floors come first, and missing numbers are empty."""
        import pandas as pd

        floors = [self._floor_numbers(size) for size in self.sizes]
        # As objects: a column of whole numbers with an empty place would else become floats, and three seeds `3.0`.
        return pd.DataFrame([*floors, *(self._row_numbers(row) for row in self.rows)], dtype=object)

    def _floor_numbers(self, size: int | None) -> dict[str, object]:
        scores = self._score_numbers(lambda column, statistic: self.floor(column, size, statistic))
        sampler = {"sampler": ""} if self.has_samplers else {}
        return {"base": "floor", "method": "", "label": "real against real", **sampler, **_size_number(size), **scores}

    def _row_numbers(self, row: TableRow) -> dict[str, object]:
        return {
            "base": row.base,
            "method": row.method,
            "label": row.base_label if row.is_data else f"{row.base_label} × {row.method_label}",
            **({"sampler": row.sampler or ""} if self.has_samplers else {}),
            **_size_number(row.size),
            **self._score_numbers(row.score),
            **self._test_numbers(row),
            "seeds": row.seeds,
            "done": row.done,
            "nfe": _whole(row.nfe),
            "parameters": row.parameters,
            "images_seen": _whole(row.images_seen),
            "seconds_finetune": row.seconds,
            "cost": row.cost,
            "cost_over_control": self.cost_over_control(row),
            "status": "; ".join(row.notes),
            **self._seed_numbers(row),
        }

    def _seed_numbers(self, row: TableRow) -> dict[str, object]:
        """Return the value of each seed of the board, a mean over draws; None for a seed that the row lacks."""
        return {
            f"{column.name} seed {seed}": value
            for column in self.board.columns
            for seed, value in zip(self.board.seeds, row.values.get(column.name, [None] * len(self.board.seeds)), strict=True)
        }

    def _test_numbers(self, row: TableRow) -> dict[str, object]:
        """Return, for each metric that ranks, the deviation within a seed, and what the row's tests say."""
        numbers: dict[str, object] = {}
        for column in self.ranking_columns:
            tests = self.tests(row, column)
            numbers[f"{column.name} within-seed sd"] = row.within.get(column.name)
            for name, other in (("floor", tests.to_floor), ("base", tests.to_base), ("control", tests.to_control)):
                numbers |= _difference_numbers(f"{column.name} - {name}", other)
        return numbers

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


def _difference_numbers(name: str, difference: FloorDifference | PairedDifference | None) -> dict[str, object]:
    values = (None,) * 4 if difference is None else (difference.mean, difference.low, difference.high, difference.p)
    return dict(zip((name, f"{name} low", f"{name} high", f"{name} p"), values, strict=True))


def _whole(mean_count: float | None) -> float | int | None:
    """Return a mean of counts as a whole number where it is one."""
    return int(mean_count) if mean_count is not None and mean_count.is_integer() else mean_count


def _size_number(size: int | None) -> dict[str, object]:
    return {} if size is None else {"samples": size}
