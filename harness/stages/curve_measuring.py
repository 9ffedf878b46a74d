"""Measure a cell's candidate weights during fine-tuning. Noise and real examples are not those of the evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from harness.board.cells import Cell
from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.metric_values import checked_values
from harness.board.ranges import check_value
from harness.board.schema import CurveConfig
from harness.components import Extractor, Metric
from harness.images.extraction_settings import ExtractionSettings
from harness.images.quantise import to_uint8
from harness.interfaces import Batch, DataSpec, SampleFunction
from harness.process.crew import ALONE
from harness.sampling import drawing
from harness.sampling.drawing import DrawnSamples
from harness.stages import draws, features
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.example_sets import RealExamples
from harness.store.records import SourceFacts
from harness.streams import stream
from harness.training.curve import Curve
from harness.training.method import Weights
from harness.training.rounds import rounds_of
from harness.training.task import TrainingTask

Compare = Callable[[Batch, torch.Generator], Mapping[str, float]]
"""Compare generated examples with the real examples of the selection."""


@dataclass
class MergedPoint:
    """The point of a training that cells share which is measured now, after the training has ended.

    The other processes of the job then draw their share with `merged_helper`, which reads the point's weights itself.

    Args:
        images: training images seen by the kept weights.
    """

    images: int = 0


def curve_of(
    cell: Cell,
    source: CheckedSource,
    task: TrainingTask,
    sampler: SampleFunction,
    context: Context,
    merged: MergedPoint | None = None,
) -> Curve | None:
    """Return the curve of a cell that trains; None where the board asks for none.

    Args:
        merged: the point that is measured, for a curve that is measured after the training; None for one along it.
    """
    settings = cell.curve
    if settings is None:
        return None
    keeps_best = cell.training.select == "best" or rounds_of(cell.method.settings).chooses
    twin = task.frozen_copy()
    draw = _drawer(cell, settings.samples, sampler, twin, source.spec, task.device)
    column = _column(cell, settings)
    in_round = settings.points_in_round
    if not context.crew.is_lead:
        serve = _serving(twin, draw, context)
        return Curve(serve, settings.points, column.higher_is_better, keeps_best, points_in_round=in_round)
    compared = _comparison(column, _real(cell, settings, source), context)

    def measure(candidate: Mapping[str, Tensor]) -> float:
        twin.load_state_dict(candidate)
        generated = _generated(cell, settings.samples, draw, task, merged, as_bytes=column.extractor is not None)
        values = checked_values(column.metric.component, compared(generated, stream(cell.seed, "selection metric")))
        value = next(iter(values.values()))
        if math.isfinite(value):  # the training loop takes other values for a divergence
            check_value(column.metric.component, value, f"curve of {column.name}")
        context.crew.release(value)
        return value

    return Curve(measure, settings.points, column.higher_is_better, keeps_best, points_in_round=in_round)


def sources_of_real(cell: Cell, source: CheckedSource, context: Context) -> list[SourceFacts]:
    """Return the code of the stored real features that the curve compares with: an earlier process may have had other code.

    There is none without a curve, or where its metric takes no features.
    """
    if cell.curve is None or (column := _column(cell, cell.curve)).extractor is None:
        return []
    images, needs = _real(cell, cell.curve, source).images(), column.metric.component.real_needs
    return features.extracted_by_code(images, needs, column.extractor, context, column.extraction).sources


def _column(cell: Cell, settings: CurveConfig) -> Column:
    return next(column for column in cell.columns if column.name == settings.metric)


def _real(cell: Cell, settings: CurveConfig, source: CheckedSource) -> RealExamples:
    return RealExamples(source, draws.selection(cell.seed), settings.samples, is_selection=True)


def _serving(twin: torch.nn.Module, draw: Callable[[range], DrawnSamples], context: Context) -> Callable[[Weights], float]:
    """Return how a process that is not the lead of its job measures: it draws its share for the lead, which has the value."""

    def measure(candidate: Weights) -> float:
        twin.load_state_dict(candidate)
        return cast(float, context.crew.serve(lambda numbers: draw(cast(range, numbers))))

    return measure


def merged_drawer(
    cell: Cell,
    sampler: SampleFunction,
    network: torch.nn.Module,
    spec: DataSpec,
    device: torch.device,
    weights: Callable[[int], Weights],
) -> Callable[[tuple[int, range]], DrawnSamples]:
    """Return how a process that is not the lead draws its share of the points of a training that cells share.

    Args:
        network: gets the weights of each point.
        weights: returns the weights of the point after so many images.
    Returns: a function of a point and of the numbers of samples.
    """
    assert cell.curve is not None, "points are measured of cells that have a curve"
    draw, loaded = _drawer(cell, cell.curve.samples, sampler, network, spec, device), list[int]()

    def drawn(piece: tuple[int, range]) -> DrawnSamples:
        images, numbers = piece
        if loaded[-1:] != [images]:
            network.load_state_dict(weights(images))
            loaded.append(images)
        return draw(numbers)

    return drawn


def _drawer(
    cell: Cell, n: int, sampler: SampleFunction, network: torch.nn.Module, spec: DataSpec, device: torch.device
) -> Callable[[range], DrawnSamples]:
    """Return a function that draws some of the n generated examples of a point."""
    return lambda numbers: drawing.draw_decoded(
        sampler,
        network,
        spec,
        n=n,
        seed=cell.seed,
        purpose="selection",
        batch=cell.evaluation.batch,
        device=device,
        indices=numbers,
        precision=cell.evaluation.sampling_precision,
    )


def _generated(
    cell: Cell,
    n: int,
    draw: Callable[[range], DrawnSamples],
    task: TrainingTask,
    merged: MergedPoint | None,
    *,
    as_bytes: bool,
) -> Batch:
    """Draw the generated examples of a point. as_bytes: whether images are kept as the bytes that extractors see."""
    batches, chunks, evaluations = drawing.batches(n, cell.evaluation.batch), list[Batch](), task.counter.examples
    if merged is None:
        each = (task.crew if task.crew.is_together else ALONE).each(batches, draw)
    else:
        images = merged.images
        each = task.crew.each(((images, numbers) for numbers in batches), lambda piece: draw(piece[1]))
    for made in each:
        drawn, evaluations = made.batch, evaluations + made.evaluations
        task.counter.examples = evaluations  # also what other processes have drawn
        chunks.append(Batch(to_uint8(drawn.x), drawn.labels) if as_bytes else drawn)
    if len(chunks) == 1:
        return chunks[0]
    labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
    return Batch(torch.cat([chunk.x for chunk in chunks]), torch.cat(labels) if labels else None)


def _comparison(column: Column, real: RealExamples, context: Context) -> Compare:
    if column.extractor is None:
        return _of_points(column.metric, real.points())
    return _of_features(column.metric, column.extractor, real, context, column.extraction)


def _of_points(metric: Resolved[Metric], real: Batch) -> Compare:
    return lambda generated, generator: metric.component.create(metric.settings)(generated, real, generator)


def _of_features(
    metric: Resolved[Metric],
    extractor: Resolved[Extractor],
    real: RealExamples,
    context: Context,
    extraction: ExtractionSettings,
) -> Compare:
    """Return a comparison of features. Only features of real images are stored: nobody asks for the others again."""

    def compare(generated: Batch, generator: torch.Generator) -> Mapping[str, float]:
        component = metric.component
        of_generated = features.extract_batch(generated, component.needs_features, extractor, context, extraction)
        of_real = features.extracted(real.images(), component.real_needs, extractor, context, extraction)
        return component.create_on_features(metric.settings)(of_generated, of_real, generator)

    return compare
