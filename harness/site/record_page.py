"""The page of one record."""

from __future__ import annotations

from collections.abc import Sequence

from harness.board.board import Board
from harness.board.cells import Cell
from harness.report.logs import Lines
from harness.site.addresses import record_page
from harness.site.record_charts import record_charts
from harness.site.record_facts import facts_of, metric_rows, source_rows
from harness.site.templates import page
from harness.store.records import Record


def record_html(cell: Cell, record: Record, log: Lines, siblings: Sequence[Cell], board: Board, *, live: bool) -> bytes:
    """Return the page of a cell's record.

    Args:
        log: the lines of its training's log.
        siblings: the cells of the row that have a record, itself among them.
        live: whether the page asks its server for news.
    """
    metrics = metric_rows(record)
    curve = [(point.images, point.value) for point in record.curve]
    return page(
        "record.html.j2",
        root="../../",
        live=live,
        board=board,
        name=cell.name,
        title=_title(cell),
        status=record.status,
        facts=facts_of(record),
        metrics=metrics,
        draws=max((len(values) for _, _, values, _ in metrics), default=0),
        sources=source_rows(record),
        charts=record_charts(curve, "" if cell.curve is None else cell.curve.metric, log),
        siblings=[(other.seed, record_page(other.name).rpartition("/")[2], other is cell) for other in siblings],
    )


def _title(cell: Cell) -> str:
    row = cell.row
    names = [row.base.label, *([row.method_label] if row.base.has_network else [])]
    sampler = "" if row.sampled_with is None else f", {row.sampled_with.label}"
    size = "" if row.size is None else f", n = {row.size:,}"
    return f"{' × '.join(names)}{sampler}{size}, seed {cell.seed}"
