"""Stage 4, metrics: each generated set against real examples, and real against real."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import cast

from harness import stop
from harness.board.cells import BoardMetric, Cell, Floor, Resolved
from harness.errors import Diverged
from harness.interfaces import Batch, MetricFunction
from harness.stages import context, draws
from harness.stages import sample as sample_stage
from harness.stages.context import Context
from harness.store import stage
from harness.store.keys import digest
from harness.store.records import Measured
from harness.store.stage import Output
from harness.streams import stream


def run(cell: Cell, sampled: Output, at: Context) -> dict[str, Measured]:
    """All columns of the cell. Raises: Diverged for a value that is not finite or above the column's `explodes_above`."""
    at.reporter.stage("measure")
    return {metric.name: _column(cell, metric, sampled, at) for metric in cell.metrics}


def floor(plan: Floor, at: Context) -> Measured:
    """The metric between pairs of independent real draws (or training data and a draw, where the column says so)."""
    at.reporter.stage("floor")
    source = context.dataset(plan.dataset)
    values, seconds = [], 0.0
    for pair in range(plan.metric.floor_pairs):
        stop.check()
        first, second = draws.floor(pair)
        key = digest(
            stage="pair", metric=plan.metric.metric.identity, dataset=plan.dataset.identity,
            first="train" if plan.metric.use.against == "train" else first, second=second, n=plan.samples,
        )  # fmt: skip

        def real(second: int = second) -> Batch:
            return source.evaluation(second, plan.samples)

        def other(first: int = first) -> Batch:
            return _real(plan.dataset, plan.metric, first, plan.samples, at)

        value, spent = _pair(key, plan.metric.metric, real, other, pair, at)
        values.append(value)
        seconds += spent
        at.reporter.step(pair + 1, plan.metric.floor_pairs, {})
    return Measured(values=values, seconds=seconds)


def _column(cell: Cell, metric: BoardMetric, sampled: Output, at: Context) -> Measured:
    hashes = cast(list[str], sampled.facts["draws_sha256"])
    values, seconds = [], 0.0
    for draw in range(metric.draws):
        stop.check()
        number = draws.evaluation(cell.seed, draw)
        key = digest(
            stage="pair", metric=metric.metric.identity, dataset=cell.base.dataset.identity, generated=hashes[draw],
            real="train" if metric.use.against == "train" else number, n=cell.evaluation.samples, generator=[cell.seed, draw],
        )  # fmt: skip

        def generated(draw: int = draw) -> Batch:
            return sample_stage.load(sampled, draw)

        def real(number: int = number) -> Batch:
            return _real(cell.base.dataset, metric, number, cell.evaluation.samples, at)

        value, spent = _pair(key, metric.metric, generated, real, cell.seed * 1000 + draw, at)
        limit = metric.use.explodes_above
        if not math.isfinite(value) or (limit is not None and value > limit):
            raise Diverged(f"{metric.name} is {value:.6g}" + (f", above {limit:g}" if limit is not None else ""))
        values.append(value)
        seconds += spent
    return Measured(values=values, seconds=seconds)


def _real(dataset: Resolved, metric: BoardMetric, draw: int, n: int, at: Context) -> Batch:
    source = context.dataset(dataset)
    if metric.use.against == "train":
        return context.training_data(source, at.device)[:n].to("cpu")
    return source.evaluation(draw, n)


def _pair(
    key: str, metric: Resolved, generated: Callable[[], Batch], real: Callable[[], Batch], index: int, at: Context
) -> tuple[float, float]:
    """Value and seconds of one pair of sets, which is measured once, whoever asks."""

    def measure(folder: object) -> dict[str, object]:  # noqa: ARG001 - the values stand in the manifest
        function: MetricFunction = context.metric(metric)
        first, second = generated(), real()
        started = time.perf_counter()
        values = function(first, second, stream(index, f"metric/{metric.name}"))
        return {"values": dict(values), "seconds": time.perf_counter() - started}

    output = stage.once(at.layout, "pair", key, measure)
    values = cast(dict[str, float], output.facts["values"])
    return next(iter(values.values())), float(cast(float, output.facts["seconds"]))
