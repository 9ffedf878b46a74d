"""Tables of results as pandas frames with typed columns. Importing this module costs no torch and no pandas."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.columns import CURVES, RESULTS, TableColumn
from harness.results.found import log, records_in, records_of_board
from harness.results.found_record import FoundRecord
from harness.results.rows import Row, curve_rows, result_rows
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    import pandas

Source = str | os.PathLike[str]


def read(source: Source, *, runs: Source | None = None, remark: Callable[[str], None] = log.warning) -> pandas.DataFrame:
    """Return the results of a board or of a runs folder: a row for each cell or floor, metric, part and draw.

    A cell without a result has one row, whose `metric`, `draw` and `value` are absent. Columns, types and units:
    `harness.results.columns.RESULTS`.

    Args:
        source: a board's folder, or its board.yaml; a runs folder; or a folder of records.
        runs: for a board: a runs folder, whose records of the board follow the published ones.
        remark: takes a line for each published file that counts for nothing, and one for results that have a newer one of the
            same key beside; without it, the lines are logged as warnings.
    Raises: UserError for a faulty board, a folder without records, and a record that is damaged or of a newer harness.
    """
    return frame((row for found in find(source, runs=runs, remark=remark) for row in result_rows(found)), RESULTS)


def read_curves(source: Source, *, runs: Source | None = None, remark: Callable[[str], None] = log.warning) -> pandas.DataFrame:
    """Return the curves along training, a row for each cell and point. Arguments and errors are those of `read`."""
    return frame((row for found in find(source, runs=runs, remark=remark) for row in curve_rows(found)), CURVES)


def find(source: Source, *, runs: Source | None, remark: Callable[[str], None]) -> Iterator[FoundRecord]:
    """Yield the records of a source, as `read` finds them."""
    path = Path(source)
    if path.name == "board.yaml" or (path / "board.yaml").exists():
        from harness.board.reading.load import load_board

        yield from records_of_board(load_board(path), None if runs is None else RunsFolder(Path(runs)), remark)
    else:
        yield from records_in(path)


def frame(rows: Iterable[Row], columns: Sequence[TableColumn]) -> pandas.DataFrame:
    """Return rows as a frame of these columns, each of its own type; what a row lacks is absent."""
    import pandas

    listed = list(rows)
    series = {column.name: _series([row.get(column.name) for row in listed], column) for column in columns}
    return pandas.DataFrame(series)


def _series(values: list[object], column: TableColumn) -> pandas.Series:
    import pandas

    dtype = pandas.api.types.pandas_dtype(column.dtype)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        moments: pandas.Series = pandas.to_datetime(pandas.Series(values, dtype="object"), utc=True, format="ISO8601")
        return moments.astype(dtype)
    return pandas.Series(values, dtype=dtype)
