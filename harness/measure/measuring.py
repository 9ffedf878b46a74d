"""Measure sets against a reference: check all that can be checked, look at every image, extract once, then all metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.board.columns import column_label
from harness.board.components import Resolved
from harness.board.metric_values import checked_values
from harness.board.ranges import check_value
from harness.components import Metric
from harness.features import FeatureSet
from harness.measure.image_source import ImageSource
from harness.measure.measurement import MeasuredMetric, Measurement
from harness.measure.notes import notes
from harness.measure.plan import MeasurementPlan
from harness.measure.plan_checks import check_plan
from harness.measure.source_features import Announce, FeatureReader
from harness.measure.written_statistics import write_statistics
from harness.stages.context import Context
from harness.stages.features import extractor_facts
from harness.store.records import ExtractorFacts
from harness.streams import stream


@dataclass(frozen=True)
class _Computed:
    """The values of a metric for one repetition, by name: its own first, then its side values."""

    values: Mapping[str, float]
    seconds: float


def measure(plan: MeasurementPlan, context: Context, announce: Announce = lambda _: None) -> Measurement:
    """Measure every metric on every sample set.

    Raises: UserError for images or statistics that are not what they should be, before any network runs.
    """
    check_plan(plan)
    facts = _extractor_facts(plan, context)
    reader = FeatureReader(plan, context, announce)
    sources = {source.name: source for source in plan.sources}  # one on both sides is looked at once
    identities = {name: reader.identify(source) for name, source in sources.items()}
    reference = FeatureSet("no reference", 0)
    if plan.reference is not None:
        reference = reader.features(plan.reference, identities[plan.reference.name], plan.reference_needs)
    repetitions = []
    for source in plan.samples:
        features = reader.features(source, identities[source.name], plan.sample_needs)
        if plan.write_statistics is not None:
            write_statistics(plan.write_statistics, features, source, identities[source.name], facts)
        repetitions.append(_compute_all(plan, source, features, reference, announce))
    metrics = [_measured(metric, [row[index] for row in repetitions], plan) for index, metric in enumerate(plan.metrics)]
    return Measurement(plan, tuple(metrics), facts, identities, tuple(notes(plan, identities)))


def _extractor_facts(plan: MeasurementPlan, context: Context) -> ExtractorFacts:
    """The extractor as it is used. Raises: UserError when statistics in a file were made by another one."""
    facts = extractor_facts(plan.extractor, context)
    for source in plan.sources:
        if source.statistics is not None:
            source.statistics.check_extractor(facts)
    return facts


def _compute_all(
    plan: MeasurementPlan, source: ImageSource, features: FeatureSet, reference: FeatureSet, announce: Announce
) -> list[_Computed]:
    """Every metric of one sample set, in the plan's order."""
    computed = []
    for metric in plan.metrics:
        announce(f"{metric.name} of {source.name}")
        function = metric.component.create_on_features(metric.settings)
        began = time.perf_counter()
        values = checked_values(metric.component, function(features, reference, stream(0, f"metric/{metric.name}")))
        check_value(metric.component, next(iter(values.values())), f"{metric.name} of {source.name}")
        computed.append(_Computed(values, time.perf_counter() - began))
    return computed


def _measured(metric: Resolved[Metric], repetitions: Sequence[_Computed], plan: MeasurementPlan) -> MeasuredMetric:
    value, *beside = repetitions[0].values
    label, n = f"{metric.name}[{plan.extractor.name}]", plan.samples[0].n
    return MeasuredMetric(
        label if n is None else column_label(label, n),
        metric,
        tuple(computed.values[value] for computed in repetitions),
        {name: tuple(computed.values[name] for computed in repetitions) for name in beside},
        sum(computed.seconds for computed in repetitions),
    )
