"""Means of rows over seeds that they share. A row may have cells of some seeds only, and seeds differ in how hard they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.board.columns import Column
from harness.report.rows import TableRow
from harness.report.scores import mean

Places = NDArray[np.bool_]
"""Which seeds of the board count, (seeds of the board,)."""


def shared_places(rows: Sequence[TableRow], column: Column) -> Places:
    """Return the seeds in which each of the rows has a value; there must be at least one row."""
    return np.asarray(np.isfinite(_values(rows, column)).all(axis=0))


def own_places(rows: Sequence[TableRow], column: Column) -> Places:
    """Return the seeds in which any of the rows has a value; there must be at least one row."""
    return np.asarray(np.isfinite(_values(rows, column)).any(axis=0))


def mean_at(row: TableRow, column: Column, places: Places) -> float | None:
    """Return a row's mean over seeds; None unless it has a value in each of them, and where there are none."""
    values = row.values_of(column)[places]
    return mean(values.tolist()) if len(values) and np.isfinite(values).all() else None


def _values(rows: Sequence[TableRow], column: Column) -> NDArray[np.float64]:
    return np.stack([row.values_of(column) for row in rows])
