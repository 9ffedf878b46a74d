"""The rows of the tables of results: what each record says, under the names of `harness.results.columns`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from harness.results.columns import COST_NAMES
from harness.results.found_record import FoundRecord
from harness.store.records import FloorRecord, Measured, Record

Row = Mapping[str, object]
_SIZE = re.compile(r"__n([0-9]+)\.")
VALUE = "value"
"""The part of a metric that is its value; other parts have the names that the metric gives them."""


def result_rows(found: FoundRecord) -> Iterator[Row]:
    """Yield a row for each metric, part and draw of a record; one row without a value where nothing was measured."""
    record = found.record
    if isinstance(record, FloorRecord):
        fixed = {**_origin(found), "board": record.board, "kind": "floor", "status": "done", **_of_floor(found.file.name, record)}
        measured = {record.metric: Measured(values=record.values, seconds=record.seconds)}
    else:
        fixed = {**_origin(found), **_cell(record), **_facts(record)}
        measured = dict(record.metrics)
    values = [{**fixed, **value} for name, each in measured.items() for value in _values(name, each)]
    yield from values or [fixed]


def curve_rows(found: FoundRecord) -> Iterator[Row]:
    """Yield a row for each point of a cell's curve; none for a floor, and for a cell without a curve."""
    if isinstance(found.record, Record):
        fixed = {**_origin(found), **_cell(found.record)}
        for point in found.record.curve:
            yield {
                **fixed, "images": point.images, "round": point.round, "candidate": point.candidate, "value": point.value,
            }  # fmt: skip


def _values(name: str, measured: Measured) -> Iterator[Row]:
    for part, values in {VALUE: measured.values, **measured.also}.items():
        for draw, value in enumerate(values):
            yield {"metric": name, "part": part, "draw": draw, "value": value, "seconds_metric": measured.seconds}


def _origin(found: FoundRecord) -> dict[str, object]:
    record = found.record
    return {
        "file": str(found.file),
        "origin": found.origin,
        "is_current": found.is_current,
        "is_smoke": record.is_smoke,
        "key": record.key,
    }


def _of_floor(file_name: str, record: FloorRecord) -> dict[str, object]:
    """Return facts of a floor. On a board of several numbers of samples, the number stands in the name of the file alone."""
    size = _SIZE.search(file_name)
    return {"size": None if size is None else int(size[1]), "dataset_fingerprint": record.dataset_fingerprint}


def _cell(record: Record) -> dict[str, object]:
    names = ("board", "protocol", "cell", "base", "method", "seed", "size", "sampler_name", "status")
    absent = {"reason": record.reason or None, "created": record.created or None}
    return {"kind": "cell", **{name: getattr(record, name) for name in names}, **absent}


def _facts(record: Record) -> dict[str, object]:
    """Return components, costs and what made the record. Costs of a cell that was not done are absent, and no zeros."""
    is_done = record.status == "done"
    of_machine = {name: record.environment.get(name) for name in ("device", "harness_version", "commit", "torch")}
    return {
        "model": record.model.name,
        "sampler": record.sampler.name,
        "dataset": record.dataset.name,
        "finetuning": record.finetuning.name,
        "method_settings": _json(record.finetuning.settings),
        "training": _json(record.training) if record.training else None,
        "evaluation": _json(record.evaluation) if record.evaluation else None,
        "parameters": record.parameters if is_done else None,
        "selected_images": record.selected_images,
        **{name: getattr(record.costs, name) if is_done else None for name in COST_NAMES},
        **{name: None if value in (None, "") else str(value) for name, value in of_machine.items()},
        "weights_sha256": record.weights_sha256 or None,
        "samples_sha256": record.samples_sha256 or None,
        "dataset_fingerprint": record.dataset_fingerprint or None,
    }


def _json(settings: Mapping[str, object]) -> str:
    return json.dumps(settings, sort_keys=True)
