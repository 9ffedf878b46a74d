"""Every fault of a plan that can be found before any image is looked at."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from harness.board.components import Resolved
from harness.components import Metric, MetricUsage
from harness.errors import Faults, UserError
from harness.measure.image_source import ImageSource
from harness.measure.plan import MeasurementPlan
from harness.measure.written_statistics import target_faults


def check_plan(plan: MeasurementPlan) -> None:
    """Check a plan. Raises: Faults for everything that cannot be measured as planned."""
    faults = [*_size_faults(plan), *_reference_faults(plan)]
    for source in plan.sources:
        faults += _source_faults(plan, source)
    faults += _statistics_faults(plan)
    if faults:
        raise Faults(faults)


def _size_faults(plan: MeasurementPlan) -> Iterator[str]:
    if len({source.n for source in plan.samples}) > 1:
        counts = ", ".join(f"{source.name} {source.n}" for source in plan.samples)
        yield f"repetitions have the same number of images, and these have not: {counts}"


def _reference_faults(plan: MeasurementPlan) -> Iterator[str]:
    comparing = [metric.name for metric in plan.metrics if metric.component.real_needs]
    if comparing and plan.reference is None:
        yield f"--reference: {', '.join(comparing)} compares with a reference; name a folder, a file or a dataset"


def _statistics_faults(plan: MeasurementPlan) -> Iterator[str]:
    if plan.write_statistics is None:
        return
    if len(plan.samples) > 1 or plan.samples[0].statistics is not None:
        yield "--write-statistics: takes one set of images"
    yield from target_faults(plan.write_statistics)


def _source_faults(plan: MeasurementPlan, source: ImageSource) -> Iterator[str]:
    """Say what the source lacks: the right statistics, the images behind them, or enough images."""
    try:
        by_statistics = _needs_that_statistics_serve(plan, source)
    except UserError as error:
        hint = "" if source.images is None else "; with --as-images its images are taken instead"
        yield f"{error}{hint}"
        return
    needs = plan.reference_needs if source is plan.reference else plan.sample_needs
    missing = sorted(needs - by_statistics) if source.images is None else []
    if missing:
        metrics = ", ".join(metric.name for metric in plan.metrics if plan.needs_of(metric, source) & set(missing))
        yield f"{source.name}: statistics alone give no {', '.join(missing)}, which {metrics} needs; give the images"
        return
    for metric in plan.metrics:
        yield from _count_faults(plan, metric, source, by_statistics)


def _needs_that_statistics_serve(plan: MeasurementPlan, source: ImageSource) -> set[str]:
    """Return the needs that the source's statistics serve.

    Raises: UserError when the statistics are another extractor's, or of another number of features.
    """
    if source.statistics is None:
        return set()
    source.statistics.check_extractor_name(plan.extractor.name)
    return set(source.statistics.moments_for(plan.outputs))


def _count_faults(
    plan: MeasurementPlan, metric: Resolved[Metric], source: ImageSource, by_statistics: Collection[str]
) -> Iterator[str]:
    """Say why the metric does not take this number of images. Where statistics serve the metric, their number counts."""
    needs = plan.needs_of(metric, source)
    is_served_by_statistics = needs <= set(by_statistics)
    count = source.n if is_served_by_statistics else None if source.images is None else source.images.n
    if not needs or count is None:
        return
    try:
        metric.component.check_usage(metric.settings, MetricUsage(count, plan.outputs))
    except UserError as error:
        setting = suggested_setting(metric, str(error))
        yield f"{source.name}: {error}" + (f"; here written {setting}" if setting else "")


def suggested_setting(metric: Resolved[Metric], message: str) -> str:
    """Return the setting that a metric's message names, as the command line takes it: `--set fid.few_images=true`.

    Returns: "" where the message names none, since then no setting helps.
    """
    fields = type(metric.settings).model_fields
    name = max((name for name in fields if re.search(rf"\b{name}\b", message)), key=len, default=None)
    if name is None:
        return ""
    return f"--set {metric.name}.{name}={'true' if fields[name].annotation is bool else 'VALUE'}"
