"""Columns of a board: an entry of `metrics` becomes a metric, with the extractor whose features the metric compares."""

from __future__ import annotations

from collections.abc import Iterable

from harness.board.columns import Column, column_label
from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig, ComponentEntry, MetricConfig, split_column
from harness.components import FEATURE_NEEDS, Extractor, Metric, MetricUsage
from harness.errors import UserError
from harness.images.stand_in import is_stand_in
from harness.interfaces import DataSpec
from harness.references import STATISTICS, Reference


def read_column(reader: BoardReader, board: BoardConfig, name: str, config: MetricConfig, spec: DataSpec | None) -> Column | None:
    """Read an entry of `metrics`. Returns: None after a fault.

    Args:
        spec: what the board's dataset holds; None where that is not known yet.
    """
    metric_name, _ = split_column(name)
    location = ("metrics", name, "metric") if config.metric else ("metrics", name)
    metric = reader.resolve(Metric, config.metric or ComponentEntry(name=metric_name), location)
    draws, pairs = _read_counts(reader, board, name, config)
    if metric is None:
        return None
    smallest = min(reader.evaluations(board), key=lambda evaluation: evaluation.samples)
    if reader.is_smoke:
        draws, pairs = min(draws, smallest.draws), min(pairs, 2)
    extractor = _read_extractor(reader, name, config, metric, spec)
    if extractor is not None:
        _check_features(reader, name, metric, extractor, smallest.samples)
    reference = _read_reference(reader, name, config, metric, extractor, spec)
    label = config.label or (name if board.evaluation.sizes else column_label(name, smallest.samples))
    if extractor is not None and is_stand_in(extractor.component):
        label = f"{label}, stand-in"
    return Column(name, label, metric, config, draws, pairs, extractor, reference, board.evaluation.extraction)


def check_curve(reader: BoardReader, board: BoardConfig) -> None:
    """Add a fault where the curve's metric is no column of the board."""
    if board.curve is not None and board.curve.metric not in board.metrics:
        reader.add_unknown(("curve", "metric"), "metric", board.curve.metric, board.metrics)


def check_kept_samples(reader: BoardReader, board: BoardConfig, columns: Iterable[Column]) -> None:
    """Add a fault where a column compares the samples themselves, and the board does not keep them all."""
    if board.evaluation.keep_samples is None:
        return
    for column in columns:
        if column.extractor is None:
            text = f"{column.name} compares the samples themselves, which must then all stay: leave keep_samples out"
            reader.add_fault(("evaluation", "keep_samples"), text)
            return


def _read_counts(reader: BoardReader, board: BoardConfig, name: str, config: MetricConfig) -> tuple[int, int]:
    """Return the draws of a cell that the column measures and the pairs of its floor, as the full board has them."""
    draws = config.draws or board.evaluation.draws
    if draws > board.evaluation.draws:
        text = f"draws ({draws}) is above evaluation.draws ({board.evaluation.draws})"
        reader.add_fault(("metrics", name, "draws"), text)
    if "minimum" in config.show and draws < 2:
        text = "the minimum of one draw is its value: set draws, or evaluation.draws, to 2 or more"
        reader.add_fault(("metrics", name, "show"), text)
    return draws, config.floor_pairs or board.floor.pairs


def _read_extractor(
    reader: BoardReader, name: str, config: MetricConfig, metric: Resolved[Metric], spec: DataSpec | None
) -> Resolved[Extractor] | None:
    """Read the extractor of a column. Returns: None where the metric compares the samples themselves, and after a fault."""
    location = ("metrics", name)
    _, extractor_name = split_column(name)
    if (fault := _name_fault(reader, name, config, metric, spec)) is not None:
        reader.add_fault(location, fault)
        return None
    if extractor_name is None:
        return None
    if config.extractor is None:
        return reader.resolve(Extractor, ComponentEntry(name=extractor_name), location)
    if config.extractor.name != extractor_name:
        text = f"the column is called {name!r}, and its extractor {config.extractor.name!r}"
        reader.add_fault((*location, "extractor"), text)
        return None
    return reader.resolve(Extractor, config.extractor, (*location, "extractor"))


def _name_fault(
    reader: BoardReader, name: str, config: MetricConfig, metric: Resolved[Metric], spec: DataSpec | None
) -> str | None:
    """Return why a column of this metric cannot have this name or this data; None when it can."""
    metric_name, extractor_name = split_column(name)
    if not metric.component.needs_features:
        if config.against == "train-all":
            return f"{metric.name} compares as many samples as real examples: write `against: train`, or leave `against` out"
        if extractor_name is None and config.extractor is None:
            return None
        return f"{metric.name} compares the samples themselves: call the column {metric_name!r}, without an extractor"
    if spec is not None and spec.preview != "images":
        return f"{metric.name} compares features of images, and the dataset holds examples of shape {spec.shape}"
    if extractor_name is None:
        known = ", ".join(reader.plugins.names("extractor")) or "none"
        return f"{metric.name} compares features: call the column {name}[EXTRACTOR]; extractors: {known}"
    return None


def _check_features(
    reader: BoardReader, name: str, metric: Resolved[Metric], extractor: Resolved[Extractor], samples: int
) -> None:
    """Add a fault where the extractor lacks what the metric needs, or where there are too few samples for the metric."""
    component, outputs = metric.component, extractor.component.outputs
    if lacking := sorted({FEATURE_NEEDS[need] for need in component.needs_features} - set(outputs)):
        text = f"{metric.name} needs {', '.join(lacking)}, and {extractor.name} gives {', '.join(outputs)}"
        reader.add_fault(("metrics", name), text)
        return
    try:
        component.check_usage(metric.settings, MetricUsage(samples, outputs))
    except UserError as error:
        reader.add_fault(("metrics", name), str(error))


def _read_reference(
    reader: BoardReader,
    name: str,
    config: MetricConfig,
    metric: Resolved[Metric],
    extractor: Resolved[Extractor] | None,
    spec: DataSpec | None,
) -> Reference | None:
    """Read the published statistics that a column compares with. Returns: None where there are none, and after a fault."""
    location = ("metrics", name, "reference")
    if config.reference is None or (extractor is None and metric.component.needs_features):  # the column has a fault already
        return None
    with reader.faults.catching(location):
        reference = reader.plugins.reference(config.reference, where=reader.source.where(location))
        if (fault := _reference_fault(reference, metric, extractor, spec)) is not None:
            reader.add_fault(location, fault)
        # A smoke run needs no file: it compares with as many real examples as it draws.
        return None if reader.is_smoke else reference
    return None


def _reference_fault(
    reference: Reference, metric: Resolved[Metric], extractor: Resolved[Extractor] | None, spec: DataSpec | None
) -> str | None:
    """Return why a metric cannot be measured against published statistics; None when it can."""
    needs, title = metric.component.real_needs, f"reference {reference.name}"
    if extractor is None:
        return f"{metric.name} compares the samples themselves, and a reference holds statistics of features: leave it out"
    if not needs:
        return f"{metric.name} compares with nothing real: leave the reference out"
    if not needs <= STATISTICS:
        return f"{metric.name} needs features of each real image, and a reference holds mean and covariance alone: leave it out"
    if not needs <= reference.needs:
        return f"{metric.name} needs {', '.join(sorted(needs))}, and {title} has {', '.join(sorted(reference.needs))}"
    if extractor.name not in reference.extractors:
        made = " or ".join(f"{metric.name}[{name}]" for name in reference.extractors)
        return f"{title} is not of {extractor.name}, and a distance to other features means nothing: call the column {made}"
    if spec is not None and spec.shape != reference.shape:
        return f"{title} is of images of shape {reference.shape}, and the dataset's have {spec.shape}"
    return None
