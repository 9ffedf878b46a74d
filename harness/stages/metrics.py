"""Stage 5, metrics: compare each generated set with real examples, and real examples with real ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch

from harness.board.cells import Cell
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.board.metric_values import checked_values
from harness.board.ranges import check_value
from harness.components import Dataset, Extractor
from harness.errors import Diverged
from harness.process import stop
from harness.stages import draws, features, sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.example_sets import SAMPLES, ExampleSet, IdentifiedImages, RealExamples, StoredSamples
from harness.stages.extracted_features import ExtractedFeatures
from harness.stages.facts import PairFacts, SampleFacts
from harness.stages.published import PublishedStatistics
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.records import Measured, SourceFacts
from harness.streams import stream


@dataclass(frozen=True)
class Pair:
    """Two sets that a column's metric compares.

    Args:
        dataset: the board's dataset.
        columns: all columns of the board. Columns with the same extractor share one pass over the images.
        seed: seed of the metric's randomness.
    """

    dataset: Resolved[Dataset]
    column: Column
    columns: Iterable[Column]
    generated: ExampleSet
    real: ExampleSet | PublishedStatistics
    seed: int

    @cached_property
    def code(self) -> list[SourceFacts]:
        """The code that compares the sets, asked for before it is imported."""
        return sources.of(self.dataset, *self.column.components)


class MeasuredByCode(NamedTuple):
    """The values of a metric, and the code that measured them."""

    measured: Measured
    sources: list[SourceFacts]


def run(cell: Cell, samples: Output, source: CheckedSource, context: Context) -> dict[str, MeasuredByCode]:
    """Measure all columns of a cell. Each comes with the code that measured it.

    Args:
        samples: the cell's sample sets.
        source: the board's dataset.
    Raises: Diverged for a value that is not finite, or above the column's `explodes_above`; UserError for one outside of the
        range that the metric declares.
    """
    context.reporter.stage("measure")
    pairs: dict[str, list[PairFacts]] = {column.name: [] for column in cell.columns}
    # Draw by draw: what the columns share of a draw, such as its features, is then still in memory for all of them.
    for draw in range(max((column.draws for column in cell.columns), default=0)):
        for column in cell.columns:
            if draw < column.draws:
                stop.check()
                pairs[column.name].append(_measured_pair(cell, column, samples, draw, source, context))
    return {name: _gathered(measured) for name, measured in pairs.items()}


def floor(floor: Floor, context: Context) -> MeasuredByCode:
    """Measure a floor: its metric between pairs of independent real draws.

    Each pair is a held-out draw and a second one; or training data, the curve's examples or published statistics in the place of
    one, where the column compares with them. There are no values where the dataset has too few held-out examples to draw one.
    """
    context.reporter.stage("floor")
    source = context.dataset(floor.dataset)
    if not can_be_measured(floor, source):
        return MeasuredByCode(Measured(values=[]), sources.of(*floor.components))
    measured = []
    for pair in range(floor.pairs):
        stop.check()
        measured.append(_floor_pair(floor, pair, source, context))
        check_value(floor.metric.component, next(iter(measured[-1].values.values())), floor.column.name)
        context.reporter.step(pair + 1, floor.pairs, {})
    return _gathered(measured)


def can_be_measured(floor: Floor, source: CheckedSource) -> bool:
    """Return whether a floor can have values."""
    return not floor.column.may_lack_a_floor or source.largest_evaluation is None or floor.samples <= source.largest_evaluation


def _gathered(pairs: list[PairFacts]) -> MeasuredByCode:
    """Collect the values of all pairs. The first value of a pair is the column's; `also` holds the others by name."""
    first, *others = pairs[0].values
    measured = Measured(
        values=[pair.values[first] for pair in pairs],
        seconds=math.fsum(pair.seconds for pair in pairs),
        also={name: [pair.values[name] for pair in pairs] for name in others},
    )
    return MeasuredByCode(measured, sources.merged(*(pair.sources for pair in pairs)))


def _measured_pair(cell: Cell, column: Column, samples: Output, draw: int, source: CheckedSource, context: Context) -> PairFacts:
    """Measure a draw of a cell in a column. Raises: Diverged and UserError as `run` does."""
    pair = _cell_pair(cell, column, samples, draw, source, context)
    value, limit = next(iter(pair.values.values())), column.explodes_above
    if not math.isfinite(value) or (limit is not None and value > limit):
        raise Diverged(f"{column.name} is {value:z.6g}" + (f", above {limit:g}" if limit is not None else ""))
    check_value(column.metric.component, value, column.name)
    return pair


def _floor_pair(floor: Floor, pair: int, source: CheckedSource, context: Context) -> PairFacts:
    column, n = floor.column, floor.samples
    first, second = draws.floor(pair)
    if column.compares_with_selection:
        first = draws.selection(pair)
    identity = {
        "metric": column.metric.identity,
        "dataset": source.identity,
        "fingerprint": source.fingerprint,
        "first": _real_identity(column, first),
        "second": second,
        "n": n,
    }
    generated = RealExamples(source, second, n)
    real = _real(column, source, first, n)
    return _once(identity, Pair(floor.dataset, column, floor.columns or (column,), generated, real, seed=pair), context)


def _cell_pair(cell: Cell, column: Column, samples: Output, draw: int, source: CheckedSource, context: Context) -> PairFacts:
    n, sha256 = cell.evaluation.samples, SampleFacts.of(samples).draws_sha256[draw]
    compared_draw = _real_draw(cell, column, draw)
    identity = {
        "metric": column.metric.identity,
        "dataset": source.identity,
        "fingerprint": source.fingerprint,
        "generated": sha256,
        "real": _real_identity(column, compared_draw),
        "n": n,
        "generator": [cell.seed, draw],
    }
    generated = StoredSamples(samples.folder / SAMPLES, draw, sha256, n)
    real = _real(column, source, compared_draw, n)
    seed = draws.evaluation(cell.seed, draw)
    return _once(identity, Pair(cell.base.dataset, column, cell.columns, generated, real, seed=seed), context)


def _real_identity(column: Column, draw: int) -> object:
    """Return what tells the real examples of a column from others of the dataset. draw: of those that are a draw."""
    if column.reference is not None:
        return PublishedStatistics(column.reference).identity
    if column.compares_with_selection:
        return [column.config.against, draw]
    if column.training_identity:
        return [column.config.against, *column.training_identity.values()]
    return column.config.against if column.compares_with_training else draw


def _real(column: Column, source: CheckedSource, draw: int, n: int) -> RealExamples | PublishedStatistics:
    """Return the real examples that a column compares n others with. draw: of the ones that are no training examples."""
    if column.reference is not None:
        return PublishedStatistics(column.reference)
    if column.compares_with_all_training:
        return RealExamples(source, None, len(source.training_set))
    if column.compares_with_selection:
        return RealExamples(source, draw, n, is_selection=True)
    return RealExamples(source, None if column.compares_with_training else draw, n)


def _real_draw(cell: Cell, column: Column, draw: int) -> int:
    """Return the number of the real draw that an evaluation draw of the cell is compared with in a column."""
    if column.compares_with_selection:
        return draws.selection(cell.seed)
    if cell.base.has_network:
        return draws.evaluation(cell.seed, draw)
    _, real = draws.examples_for_samples(cell.seed, draw)
    return real


def _once(identity: Mapping[str, object], pair: Pair, context: Context) -> PairFacts:
    """Measure a pair unless its values are stored. identity: the pair's part of the key, beside the extractor."""
    extractor = pair.column.extractor
    if extractor is None:
        return _kept(identity, lambda: _compare_points(pair), pair.code, context)
    with_extractor = {**identity, **features.extractor_identity(extractor, context, pair.column.extraction)}
    return _kept(with_extractor, lambda: _compare_features(pair, extractor, context), pair.code, context)


def _kept(
    identity: Mapping[str, object], measure: Callable[[], PairFacts], made_by: list[SourceFacts], context: Context
) -> PairFacts:
    def make(folder: Path) -> dict[str, object]:  # noqa: ARG001 - the values stand in the manifest
        return measure().model_dump()

    return PairFacts.of(context.once("pair", digest(stage="pair", **identity), make, made_by))


def _compare_points(pair: Pair) -> PairFacts:
    """Compare the samples themselves."""
    metric = pair.column.metric
    function = metric.component.create(metric.settings)
    assert not isinstance(pair.real, PublishedStatistics), "a board that compares points with statistics is refused"
    generated, real = pair.generated.points(), pair.real.points()
    started = time.perf_counter()
    values = checked_values(metric.component, function(generated, real, _generator(pair)))
    return PairFacts(values=values, seconds=time.perf_counter() - started, sources=pair.code)


def _compare_features(pair: Pair, extractor: Resolved[Extractor], context: Context) -> PairFacts:
    """Compare features of images. The first column of an extractor extracts for all its columns."""
    metric = pair.column.metric
    function = metric.component.create_on_features(metric.settings)
    generated_images = pair.generated.images()
    real_images = None if isinstance(pair.real, PublishedStatistics) else pair.real.images()
    started = time.perf_counter()  # reading a dataset is no cost of the metric
    generated_needs, real_needs = features.shared_needs(extractor, pair.columns)
    generated = features.extracted_by_code(generated_images, generated_needs, extractor, context, pair.column.extraction)
    real = _real_features(pair, real_images, real_needs, extractor, context)
    values = checked_values(metric.component, function(generated.features, real.features, _generator(pair)))
    seconds = time.perf_counter() - started
    return PairFacts(values=values, seconds=seconds, sources=sources.merged(pair.code, generated.sources, real.sources))


def _real_features(
    pair: Pair,
    images: IdentifiedImages | None,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
) -> ExtractedFeatures:
    """Return features of the real images, or published statistics. images: None for these. needs: of the images."""
    if isinstance(pair.real, PublishedStatistics):
        return pair.real.features(extractor, context)
    assert images is not None, "examples have images where a metric is on features"
    return features.extracted_by_code(images, needs, extractor, context, pair.column.extraction)


def _generator(pair: Pair) -> torch.Generator:
    return stream(pair.seed, f"metric/{pair.column.metric.name}")
