"""A request as the user wrote it, and how it becomes a plan: all faults of names and paths at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.components import Extractor, Metric
from harness.errors import Faults, UserError, noted
from harness.images.arrays import RANGES
from harness.images.extraction_settings import BATCH
from harness.measure.image_source import ImageSource
from harness.measure.named_components import Settings, choose
from harness.measure.plan import MeasurementPlan
from harness.measure.reading_options import RANGE, ReadingOptions
from harness.measure.sources import read_sources
from harness.plugins import registry
from harness.stages.context import Context


@dataclass(frozen=True)
class MeasurementRequest:
    """The names, paths and options that a user wrote.

    Args:
        samples: paths or datasets, each a repetition (or several, where it holds several draws).
        references: path or dataset to compare with; more than one is a fault.
        metrics: names of metrics; None for the default one.
        extractor: name of an extractor; None for the default one.
        settings: settings of the metrics and the extractor.
        options: how samples and reference are read.
        batch: images that go through the extractor at once.
        write_statistics: where statistics go; without metrics and reference nothing else is done.
    """

    samples: Sequence[str]
    references: Sequence[str] = ()
    metrics: Sequence[str] | None = None
    extractor: str | None = None
    settings: Settings = field(default_factory=dict)
    options: ReadingOptions = field(default_factory=ReadingOptions)
    batch: int = BATCH
    write_statistics: Path | None = None

    def check(self) -> None:
        """Check the request itself, whatever is installed and stored. Raises: UserError for what is wrong with it."""
        if len(self.references) > 1:
            given = ", ".join(self.references)
            raise UserError(f"--reference: is given {len(self.references)} times, and there is one: {given}")
        if self.options.value_range is not None and self.options.value_range not in RANGES:
            raise UserError(f"{RANGE} {self.options.value_range}: there are {', '.join(RANGES)}")

    @property
    def metric_names(self) -> list[str]:
        """Names of the metrics. Raises: UserError when the user named none where one is needed."""
        only_writes = self.write_statistics is not None and not self.references
        if self.metrics is None:
            return [] if only_writes else [registry().default(Metric, where="--metrics").name]
        if not self.metrics and not only_writes:
            raise UserError("--metrics: name at least one, e.g. fid,kid")
        return list(self.metrics)

    @property
    def extractor_name(self) -> str:
        """Name of the extractor. Raises: UserError when the user named none, and no plugin provides a default one."""
        return self.extractor or registry().default(Extractor, where="--extractor").name


def plan_measurement(request: MeasurementRequest, context: Context) -> MeasurementPlan:
    """Look everything up that the request names. Raises: Faults for all names and paths that are wrong."""
    request.check()
    faults: list[str] = []
    chosen = None
    with noted(faults):
        chosen = choose(request.metric_names, request.extractor_name, request.settings)
    samples = _sources(request.samples, request, context, "SAMPLES", faults)
    references = _sources(request.references, request, context, "--reference", faults)
    if len(references) > 1:
        faults.append(f"--reference {request.references[0]}: holds {len(references)} draws; a reference is one set")
    if faults or chosen is None:
        raise Faults(faults)
    request.options.check_used([*samples, *references])
    metrics, extractor = chosen
    reference = references[0] if references else None
    return MeasurementPlan(metrics, extractor, samples, reference, request.batch, request.write_statistics)


def _sources(
    texts: Sequence[str], request: MeasurementRequest, context: Context, where: str, faults: list[str]
) -> list[ImageSource]:
    sources = []
    for text in texts:
        with noted(faults):
            sources += read_sources(text, request.options, context, where=where)
    return sources
