"""Stage 5, metrics: each generated set against real examples, and real against real."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import torch

from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.components import Dataset, Metric
from harness.errors import Diverged
from harness.interfaces import Batch
from harness.process import stop
from harness.stages import context, draws, features
from harness.stages import sample as sample_stage
from harness.stages.context import Context
from harness.store import outputs
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.records import Measured
from harness.streams import stream

Timed = tuple[Mapping[str, float], float]
"""Values by name, the metric's own first, and the seconds that measuring took."""


def run(cell: Cell, sampled: Output, at: Context) -> dict[str, Measured]:
    """All columns of the cell. Raises: Diverged for a value that is not finite or above the column's `explodes_above`."""
    at.reporter.stage("measure")
    return {column.name: _column(cell, column, sampled, at) for column in cell.columns}


def floor(plan: Floor, at: Context) -> Measured:
    """The metric between pairs of independent real draws (or training data and a draw, where the column says so)."""
    at.reporter.stage("floor")
    pairs = []
    for pair in range(plan.pairs):
        stop.check()
        pairs.append(_floor_pair(plan, pair, at))
        at.reporter.step(pair + 1, plan.pairs, {})
    return _measured(pairs)


def _measured(pairs: list[Timed]) -> Measured:
    """The first value of each pair is the column's; the others stand beside it."""
    first, *others = pairs[0][0]
    return Measured(
        values=[values[first] for values, _ in pairs],
        seconds=math.fsum(seconds for _, seconds in pairs),
        also={name: [values[name] for values, _ in pairs] for name in others},
    )


def _floor_pair(plan: Floor, pair: int, at: Context) -> Timed:
    first, second = draws.floor(pair)
    on_train = plan.column.compares_with_training
    identity = {
        "metric": plan.metric.identity, "dataset": plan.dataset.identity,
        "first": "train" if on_train else first, "second": second, "n": plan.samples,
    }  # fmt: skip

    def points() -> Timed:
        real = context.dataset(plan.dataset).evaluation(second, plan.samples)
        other = _real(plan.dataset, plan.column, first, plan.samples, at)
        return _compare_points(plan.metric, real, other, pair)

    def images() -> Timed:
        generated = features.real_images(plan.dataset, second, plan.samples, at)
        real = features.real_images(plan.dataset, None if on_train else first, plan.samples, at)
        return _compare_images(plan.column, plan.columns or (plan.column,), generated, real, pair, at)

    return _once(identity, plan.column, points, images, at)


def _column(cell: Cell, column: Column, sampled: Output, at: Context) -> Measured:
    pairs = []
    for draw in range(column.draws):
        stop.check()
        measured = _cell_pair(cell, column, sampled, draw, at)
        value = next(iter(measured[0].values()))
        limit = column.explodes_above
        if not math.isfinite(value) or (limit is not None and value > limit):
            raise Diverged(f"{column.name} is {value:.6g}" + (f", above {limit:g}" if limit is not None else ""))
        pairs.append(measured)
    return _measured(pairs)


def _cell_pair(cell: Cell, column: Column, sampled: Output, draw: int, at: Context) -> Timed:
    number = draws.evaluation(cell.seed, draw) if cell.base.has_network else draws.in_place(cell.seed, draw)[1]
    made = cast(list[str], sampled.facts["draws_sha256"])[draw]
    on_train = column.compares_with_training
    dataset, n, index = cell.base.dataset, cell.evaluation.samples, cell.seed * 1000 + draw
    identity = {
        "metric": column.metric.identity, "dataset": dataset.identity, "generated": made,
        "real": "train" if on_train else number, "n": n, "generator": [cell.seed, draw],
    }  # fmt: skip

    def points() -> Timed:
        return _compare_points(column.metric, sample_stage.load(sampled, draw), _real(dataset, column, number, n, at), index)

    def images() -> Timed:
        generated = sample_stage.images(sampled, draw), {"generated": made}
        real = features.real_images(dataset, None if on_train else number, n, at)
        return _compare_images(column, cell.columns, generated, real, index, at)

    return _once(identity, column, points, images, at)


def _real(dataset: Resolved[Dataset], column: Column, draw: int, n: int, at: Context) -> Batch:
    source = context.dataset(dataset)
    if column.compares_with_training:
        return context.training_data(source, at.device)[:n].to("cpu")
    return source.evaluation(draw, n)


def _once(
    identity: Mapping[str, object], column: Column, points: Callable[[], Timed], images: Callable[[], Timed], at: Context
) -> Timed:
    """Values and seconds of one pair of sets, which is measured once, whoever asks."""
    measure = points if column.extractor is None else images
    extractor = {} if column.extractor is None else features.identity(column.extractor, at)

    def make(folder: object) -> dict[str, object]:  # noqa: ARG001 - the values stand in the manifest
        values, seconds = measure()
        return {"values": dict(values), "seconds": seconds}

    output = outputs.once(at.layout, "pair", digest(stage="pair", **identity, **extractor), make)
    return cast(dict[str, float], output.facts["values"]), float(cast(float, output.facts["seconds"]))


def _compare_points(metric: Resolved[Metric], generated: Batch, real: Batch, index: int) -> Timed:
    function = context.metric(metric)
    started = time.perf_counter()
    values = function(generated, real, stream(index, f"metric/{metric.name}"))
    return values, time.perf_counter() - started


def _compare_images(
    column: Column, columns: Iterable[Column], generated: features.Images, real: features.Images, index: int,
    at: Context,
) -> Timed:  # fmt: skip
    """The first column of an extractor pays for the pass over the images, the others find their features."""
    assert column.extractor is not None
    function = context.feature_metric(column.metric)
    started = time.perf_counter()
    needs, real_needs = features.shared_needs(column, columns)
    first = features.of(*generated, needs, column.extractor, at)
    second = features.of(*real, real_needs, column.extractor, at)
    values = function(first, second, stream(index, f"metric/{column.metric.name}"))
    return values, time.perf_counter() - started


def of_batch(
    column: Column, generated: Batch, dataset: Resolved[Dataset], draw: int, generator: torch.Generator, at: Context
) -> Mapping[str, float]:
    """A metric on features between generated examples and a real draw of the same size; only the real ones' are kept."""
    assert column.extractor is not None
    first = features.in_memory(generated, "the generated samples", column.metric.component.needs_features, column.extractor, at)
    real, which = features.real_images(dataset, draw, len(generated), at)
    second = features.of(real, which, column.metric.component.real_needs, column.extractor, at)
    return context.feature_metric(column.metric)(first, second, generator)
