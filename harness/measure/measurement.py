"""The result of a measurement: values over repetitions, and what they are values of."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from harness.board.components import Resolved
from harness.components import Metric
from harness.measure.image_source import ImagesIdentity
from harness.measure.plan import MeasurementPlan
from harness.store.records import ExtractorFacts


@dataclass(frozen=True)
class MeasuredMetric:
    """One metric over all repetitions.

    Args:
        label: name with the number of images and the extractor, `fid-10k[inception]`.
        values: one for each repetition.
        side_values: what else the metric gave, such as a standard deviation over its subsets, by name; one for each repetition.
        seconds: time in the metric itself, over all repetitions; the features are not counted.
    """

    label: str
    metric: Resolved[Metric]
    values: tuple[float, ...]
    side_values: Mapping[str, tuple[float, ...]]
    seconds: float

    @property
    def component(self) -> Metric:
        return self.metric.component

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over repetitions, unbiased; None for a single one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Measurement:
    """All numbers of one call, and what they are numbers of.

    Args:
        extractor: the extractor as it was used, with the hash of its weights.
        identities: identity of the images by the name of their source.
    """

    plan: MeasurementPlan
    metrics: tuple[MeasuredMetric, ...]
    extractor: ExtractorFacts
    identities: Mapping[str, ImagesIdentity]
    notes: tuple[str, ...]
