"""A plan of what is measured: which metrics, by which extractor, of which sets, against which reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.board.components import Resolved
from harness.components import FEATURE_NEEDS, Extractor, Metric
from harness.features import MOMENTS
from harness.images.extraction_settings import BATCH, ExtractionSettings
from harness.measure.image_source import ImageSource


@dataclass(frozen=True)
class MeasurementPlan:
    """The metrics, the extractor, and the sets that are compared.

    Args:
        samples: sets of the same size, each a repetition of the measurement.
        reference: None where no metric compares.
        batch: images that go through the extractor at once.
        write_statistics: where the statistics of the only sample set go; None writes none.
    """

    metrics: tuple[Resolved[Metric], ...]
    extractor: Resolved[Extractor]
    samples: Sequence[ImageSource]
    reference: ImageSource | None
    batch: int = BATCH
    write_statistics: Path | None = None

    @property
    def extraction(self) -> ExtractionSettings:
        """How images go through the extractor."""
        return ExtractionSettings(batch=self.batch, batch_setting="--batch")

    @property
    def sources(self) -> list[ImageSource]:
        """Every set that is looked at: the sample sets, then the reference."""
        return [*self.samples, *([] if self.reference is None else [self.reference])]

    @property
    def outputs(self) -> Mapping[str, int]:
        """Names and dimensions of what the extractor gives."""
        return self.extractor.component.outputs

    @property
    def sample_needs(self) -> set[str]:
        """Features that the metrics, and the file of statistics, need of each sample set; names out of FEATURE_NEEDS."""
        needs = {need for metric in self.metrics for need in metric.component.needs_features}
        if self.write_statistics is not None:
            needs |= {need for need in MOMENTS if FEATURE_NEEDS[need] in self.outputs}
        return needs

    @property
    def reference_needs(self) -> set[str]:
        """Features that the metrics need of the reference; names out of FEATURE_NEEDS."""
        return {need for metric in self.metrics for need in metric.component.real_needs}

    def needs_of(self, metric: Resolved[Metric], source: ImageSource) -> frozenset[str]:
        """Features that one metric needs of one of the sources."""
        component = metric.component
        return component.real_needs if source is self.reference else component.needs_features
