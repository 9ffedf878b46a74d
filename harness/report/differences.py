"""Rows compared with the row of their base that does not train, with the control, and with the floor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.board.columns import Column
from harness.report.floors import FloorDraws
from harness.report.marks import floor_test, shared_examples
from harness.report.rows import Block, TableRow
from harness.statistics.floor import floor_interval
from harness.statistics.paired import PairedDifference, paired_difference
from harness.store.record_names import floor_name


@dataclass(frozen=True)
class FloorDifference:
    """A row less the floor.

    Args:
        low, high: the 95 % interval of the mean over further seeds; None where the row has one seed.
        p: of the test that the row's samples are real data.
    """

    mean: float
    low: float | None
    high: float | None
    p: float


@dataclass(frozen=True)
class RowTests:
    """The tests of one row in one column.

    Args:
        to_base, to_control: the row less the row of its base that does not train, and less the control. None for these rows
            themselves, where there is no such row, and where fewer than two seeds are done in both.
        to_floor: the row less the floor; None where there is no test.
    """

    to_base: PairedDifference | None
    to_control: PairedDifference | None
    to_floor: FloorDifference | None


class ReferenceRows:
    """The rows that others are compared with: on each base, the row that does not train, and the control's.

    Rows are on one base where their block is the same, too. The rows are looked through once, and not again for each comparison.

    Args:
        rows: all rows of the table.
        controls: names of the methods that are controls; of those on a base the first one counts.
    """

    def __init__(self, rows: Sequence[TableRow], controls: Sequence[str]) -> None:
        self._controls = frozenset(controls)
        self._untrained: dict[tuple[str, Block], TableRow] = {}
        self._control: dict[tuple[str, Block], TableRow] = {}
        by_method: dict[tuple[str, Block], dict[str, TableRow]] = defaultdict(dict)
        for row in rows:
            place = (row.base, row.block)
            if row.method in self._controls:
                by_method[place][row.method] = row
            if not row.trains:
                self._untrained.setdefault(place, row)
        for place, found in by_method.items():
            self._control[place] = next(found[name] for name in controls if name in found)

    def base_of(self, row: TableRow) -> TableRow | None:
        """Return the row of the same base that does not train; None for that row itself, and where the board has none."""
        return self._untrained.get((row.base, row.block)) if row.trains else None

    def control_of(self, row: TableRow) -> TableRow | None:
        """Return the row of the control on the same base; None for a row that does not train, for a control, and without one."""
        if not row.trains or row.method in self._controls:
            return None
        return self._control.get((row.base, row.block))

    def cost_over_control(self, row: TableRow) -> float | None:
        """Return the cost of a row's training over that of the control on its base.

        Returns: 1 for the control itself; None where either row's records do not say what training cost, and without a control.
        """
        control = self._control.get((row.base, row.block))
        if control is None or row.cost is None or not control.cost:
            return None
        return row.cost / control.cost


def row_tests(row: TableRow, column: Column, references: ReferenceRows, floors: Mapping[str, FloorDraws]) -> RowTests:
    """Compare a row in one column.

    Args:
        floors: the values of each floor by the floor's name.
    """
    base, control = references.base_of(row), references.control_of(row)
    return RowTests(
        to_base=None if base is None else difference(row, base, column),
        to_control=None if control is None else difference(row, control, column),
        to_floor=_to_floor(row, column, floors),
    )


def difference(row: TableRow, other: TableRow, column: Column) -> PairedDifference | None:
    """Return the row less the other one over the seeds that are done in both; None for fewer than two."""
    return paired_difference(row.values_of(column), other.values_of(column))


def _to_floor(row: TableRow, column: Column, floors: Mapping[str, FloorDraws]) -> FloorDifference | None:
    p, score = floor_test(row, column, floors), row.score(column)
    if p is None or score is None:
        return None
    floor = floors[floor_name(column.name, row.size)]
    shared = shared_examples(row, floor)
    values = row.values_of(column)
    interval = floor_interval(values[np.isfinite(values)], floor.values, shared=shared, is_one_sided=floor.is_one_sided)
    low, high = interval or (None, None)
    return FloorDifference(score.mean - float(np.mean(floor.values)), low, high, p)
