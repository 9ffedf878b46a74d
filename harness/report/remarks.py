"""Remarks under a board's table: records that are stale, missing, failed, diverged or skipped, and bases with other weights."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report.collect import Collection
from harness.report.phrases import listed


def remarks(collection: Collection) -> list[str]:
    """Return what a reader must know of the numbers that are in the means, and of those that are not."""
    return [
        *_stale_and_missing(collection),
        *_ended_badly(collection),
        *_unsealed(collection),
        *_several_pretrainings(collection),
        *_skipped(collection),
    ]


def _stale_and_missing(collection: Collection) -> Iterator[str]:
    if collection.stale:
        yield f"stale: {listed(list(map(str, collection.stale)))}, made by older settings or plugin versions"
    stale_cells = {record.name for record in collection.stale if record.kind == "cell"}
    if missing := [cell.name for cell in collection.missing if cell.name not in stale_cells]:
        yield f"not run yet: {listed(missing)}"
    if collection.missing_floors:
        yield f"floor not run yet: {listed(collection.missing_floors)}"


def _ended_badly(collection: Collection) -> Iterator[str]:
    for status in ("failed", "diverged"):
        cells_by_reason: dict[str, list[str]] = {}
        for outcome in collection.records.values():
            if outcome.status == status:
                cells_by_reason.setdefault(_first_line(outcome.reason), []).append(outcome.cell)
        for reason, cells in cells_by_reason.items():
            yield f"{status}: {listed(cells)}" + (f": {reason}" if reason else "")


def _unsealed(collection: Collection) -> Iterator[str]:
    cells = [outcome.cell for outcome in collection.records.values() if outcome.unsealed]
    if cells:
        yield f"made of weights of an older version, whose costs and curve had no checksum: {listed(cells)}"


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")


def _several_pretrainings(collection: Collection) -> Iterator[str]:
    """Yield bases that were pretrained more than once: other versions of libraries make other weights of the same settings."""
    methods_of: dict[str, dict[str, list[str]]] = {}
    for row, cells in collection.rows:
        hashes = dict.fromkeys(outcome.base_weights_sha256 for outcome in collection.outcomes(cells))
        for weights in filter(None, hashes):
            methods_of.setdefault(row.base.label, {}).setdefault(weights, []).append(row.method_label)
    for base, by_weights in methods_of.items():
        if len(by_weights) > 1:
            origins = "; ".join(f"{', '.join(methods)} from `{weights[:12]}`" for weights, methods in by_weights.items())
            yield f"{base} was pretrained {len(by_weights)} times with the same settings, and the weights differ: {origins}"


def _skipped(collection: Collection) -> Iterator[str]:
    for row, _ in collection.rows:
        if row.skip_reason is not None:
            yield f"skipped: {row.base.label} × {row.method_label}: {row.skip_reason}"
