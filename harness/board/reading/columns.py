"""Columns of a board: metrics, with the extractors whose features they compare."""

from __future__ import annotations

from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import Location
from harness.board.schema import BoardConfig, MetricConfig, ReferenceConfig, split_column
from harness.components import FEATURE_NEEDS, Extractor, Metric, MetricUsage
from harness.errors import UserError
from harness.interfaces import DataSpec


def column_label(name: str, samples: int) -> str:
    """What tables call a column: of a metric on features, with the number of images, `fid-50k[inception]`."""
    metric, extractor = split_column(name)
    if extractor is None:
        return name
    count = f"{samples // 1000}k" if samples % 1000 == 0 else str(samples)
    return f"{metric}-{count}[{extractor}]"


def read_column(
    reading: BoardReader, config: BoardConfig, name: str, entry: MetricConfig, spec: DataSpec | None
) -> Column | None:
    """An entry of `metrics`; None after a fault. spec: of the board's dataset, None where it is not known yet."""
    metric_name, _ = split_column(name)
    reference = entry.metric or ReferenceConfig(name=metric_name)
    resolved = reading.resolve(Metric, reference, ("metrics", name, *(("metric",) if entry.metric else ())))
    draws, pairs = _counts(reading, config, name, entry)
    if resolved is None:
        return None
    fewest = min(reading.evaluations(config), key=lambda one: one.samples)
    if reading.is_smoke:
        draws, pairs = min(draws, fewest.draws), min(pairs, 2)
    extractor = _extractor(reading, name, entry, resolved, spec)
    if extractor is not None:
        _check_features(reading, name, resolved, extractor, fewest.samples)
    label = entry.label or (name if config.evaluation.sizes else column_label(name, fewest.samples))
    return Column(name, label, resolved, entry, draws, pairs, extractor)


def check_curve(reading: BoardReader, config: BoardConfig) -> None:
    """A fault where the curve is of no column."""
    if config.curve is not None and config.curve.metric not in config.metrics:
        reading.unknown(("curve", "metric"), "metric", config.curve.metric, config.metrics)


def _counts(reading: BoardReader, config: BoardConfig, name: str, entry: MetricConfig) -> tuple[int, int]:
    """Draws of a cell and pairs of the floor, before `--smoke`."""
    draws = entry.draws or config.evaluation.draws
    if draws > config.evaluation.draws:
        text = f"draws ({draws}) is above evaluation.draws ({config.evaluation.draws})"
        reading.fault(("metrics", name, "draws"), text)
    if "minimum" in entry.show and draws < 2:
        text = "the minimum of one draw is its value: set draws, or evaluation.draws, to 2 or more"
        reading.fault(("metrics", name, "show"), text)
    return draws, entry.floor_pairs or config.floor.pairs


def _extractor(
    reading: BoardReader, name: str, entry: MetricConfig, metric: Resolved[Metric], spec: DataSpec | None
) -> Resolved[Extractor] | None:
    """Of a column whose metric compares features. None for another, and after a fault."""
    at: Location = ("metrics", name)
    column, bracket = split_column(name)
    if not metric.component.needs_features:
        if bracket is not None or entry.extractor is not None:
            text = f"{metric.name} compares the samples themselves: call the column {column!r}, without an extractor"
            reading.fault(at, text)
        return None
    if spec is not None and spec.preview != "images":
        text = f"{metric.name} compares features of images, and the dataset holds examples of shape {spec.shape}"
        reading.fault(at, text)
        return None
    if bracket is None:
        known = ", ".join(reading.plugins.names("extractor")) or "none"
        text = f"{metric.name} compares features: call the column {name}[EXTRACTOR]; extractors: {known}"
        reading.fault(at, text)
        return None
    if entry.extractor is not None and entry.extractor.name != bracket:
        text = f"the column is called {name!r}, and its extractor {entry.extractor.name!r}"
        reading.fault((*at, "extractor"), text)
        return None
    reference = entry.extractor or ReferenceConfig(name=bracket)
    return reading.resolve(Extractor, reference, (*at, "extractor") if entry.extractor else at)


def _check_features(
    reading: BoardReader, name: str, metric: Resolved[Metric], extractor: Resolved[Extractor], samples: int
) -> None:
    """A fault where the extractor lacks what the metric needs, or there are too few samples for it."""
    component, outputs = metric.component, extractor.component.outputs
    if lacking := sorted({FEATURE_NEEDS[need] for need in component.needs_features} - set(outputs)):
        text = f"{metric.name} needs {', '.join(lacking)}, and {extractor.name} gives {', '.join(outputs)}"
        reading.fault(("metrics", name), text)
        return
    try:
        component.check_usage(metric.settings, MetricUsage(samples, outputs))
    except UserError as error:
        reading.fault(("metrics", name), str(error))
