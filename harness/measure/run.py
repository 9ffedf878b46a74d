"""Measure sets against a reference: check all that can be checked, look at every image, extract once, then all metrics."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness.board.components import Resolved
from harness.components import FEATURE_NEEDS, Extractor, Metric, MetricUsage
from harness.errors import Diverged, Faults, UserError
from harness.features import MOMENTS, FeatureSet, Moments
from harness.images.extraction import BATCH
from harness.images.statistics_files import Metadata, write
from harness.measure.sources import Source, Which
from harness.stages import features
from harness.stages.context import Context
from harness.stages.example_sets import IdentifiedImages
from harness.store.records import ExtractorFacts
from harness.streams import stream

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Args:
        samples: sets of the same size, repetitions of each other.
        reference: None where no metric compares.
        batch: images at once.
        write_statistics: where the statistics of the one sample set go; None writes none.
    """

    metrics: tuple[Resolved[Metric], ...]
    extractor: Resolved[Extractor]
    samples: Sequence[Source]
    reference: Source | None
    batch: int = BATCH
    write_statistics: Path | None = None

    @property
    def outputs(self) -> Mapping[str, int]:
        """The extractor's, by its component."""
        return self.extractor.component.outputs

    def needs(self) -> tuple[set[str], set[str]]:
        """What all metrics, and the file of statistics, need of each sample set, and of the reference."""
        generated = {need for one in self.metrics for need in one.component.needs_features}
        if self.write_statistics is not None:
            generated |= {need for need in MOMENTS if FEATURE_NEEDS[need] in self.outputs}
        return generated, {need for one in self.metrics for need in one.component.real_needs}

    def check(self) -> None:
        """Raises: Faults for all that cannot be measured so, before any image is looked at."""
        faults = list(self._faults())
        if faults:
            raise Faults(faults)

    def _faults(self) -> Iterator[str]:
        sizes = {one.n for one in self.samples}
        if len(sizes) > 1:
            counts = ", ".join(f"{one.name} {one.n}" for one in self.samples)
            yield f"repetitions have the same number of images, and these have not: {counts}"
        generated, real = self.needs()
        if real and self.reference is None:
            names = ", ".join(one.name for one in self.metrics if one.component.real_needs)
            yield f"--reference: {names} compares with a reference; name a folder, a file or a dataset"
        for source, needs in [*((one, generated) for one in self.samples), *([(self.reference, real)] if self.reference else [])]:
            yield from self._source_faults(source, needs)
        if self.write_statistics is not None and (len(self.samples) > 1 or self.samples[0].statistics is not None):
            yield "--write-statistics: takes one set of images"
        if self.write_statistics is not None:
            yield from _target_faults(self.write_statistics)

    def _source_faults(self, source: Source, needs: Collection[str]) -> Iterator[str]:
        try:
            if source.statistics is not None:
                source.statistics.check_extractor_name(self.extractor.name)
            given = source.statistics.of(self.outputs) if source.statistics is not None else {}
        except UserError as error:
            hint = "" if source.images is None else "; with --as-images its images are taken instead"
            yield f"{error}{hint}"
            return
        missing = sorted(set(needs) - set(given)) if source.images is None else []
        if missing:
            who = ", ".join(one.name for one in self.metrics if set(missing) & self._uses(one, source))
            yield f"{source.name}: statistics alone give no {', '.join(missing)}, which {who} needs; give the images"
            return
        for metric in self.metrics:
            uses = self._uses(metric, source)
            counted = source.n if uses <= set(given) else None if source.images is None else source.images.n
            if not uses or counted is None:
                continue
            try:
                metric.component.check_usage(metric.settings, MetricUsage(counted, self.outputs))
            except UserError as error:
                yield f"{source.name}: {error}; here written {_setting_to_give(metric, str(error))}"

    def _uses(self, metric: Resolved[Metric], source: Source) -> frozenset[str]:
        return metric.component.real_needs if source is self.reference else metric.component.needs_features


def _target_faults(path: Path) -> Iterator[str]:
    """Why statistics cannot be written there. A file that is there is hours of somebody's work: it is never replaced."""
    where = f"--write-statistics {path}"
    if path.suffix != ".npz":
        yield f"{where}: the file to write ends in .npz"
    elif os.path.lexists(path):
        yield f"{where}: is there already, and is not overwritten; remove it or name another file"
    elif not path.parent.is_dir():
        wrong = next(one for one in reversed(path.parents) if not one.is_dir())
        if wrong.exists():
            yield f"{where}: {wrong} is a file and no folder; name another folder"
        else:
            yield f"{where}: the folder {wrong} is absent; make it (mkdir -p {path.parent}) or name another folder"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        yield f"{where}: the folder {path.parent} is not writable; change its permissions or name another folder"


def _setting_to_give(metric: Resolved[Metric], message: str) -> str:
    """`--set fid.few_images=true`: the setting that the message names, as this command takes it."""
    fields = type(metric.settings).model_fields
    name = max((name for name in fields if name in message), key=len, default="NAME")  # subset_size, not subsets
    is_switch = name in fields and fields[name].annotation is bool
    return f"--set {metric.name}.{name}={'true' if is_switch else 'VALUE'}"


@dataclass(frozen=True)
class Value:
    """A metric over the repetitions.

    Args:
        label: with the number of images and the extractor, `fid-10k[inception]`.
        values: one a repetition.
        also: what else the metric gave, by name, one a repetition.
        seconds: in the metric itself, features not counted.
    """

    label: str
    metric: Resolved[Metric]
    values: tuple[float, ...]
    also: Mapping[str, tuple[float, ...]]
    seconds: float

    @property
    def component(self) -> Metric:
        return self.metric.component

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over repetitions; None for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Measured:
    """All that was measured, and of what."""

    plan: Plan
    values: tuple[Value, ...]
    extractor: ExtractorFacts
    identified: Mapping[str, Which] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run(plan: Plan, at: Context, say: Say = lambda _: None) -> Measured:
    """Measure. Raises: UserError for images or statistics that are not what they should be, before any network runs."""
    plan.check()
    network = at.extractor(plan.extractor)
    used = ExtractorFacts.model_validate(
        {**plan.extractor.identity, "weights_sha256": network.weights_sha256, "preprocessing": network.preprocessing}
    )
    everything = [*plan.samples, *([plan.reference] if plan.reference is not None else [])]
    for source in everything:
        if source.statistics is not None:
            source.statistics.check_extractor(used)
    identified = {source.name: _identified(source, at, say) for source in everything}
    generated_needs, real_needs = plan.needs()
    reference = FeatureSet("no reference", 0)
    if plan.reference is not None:
        reference = _features(plan.reference, identified, real_needs, plan, at, say)
    measured: list[list[tuple[Mapping[str, float], float]]] = [[] for _ in plan.metrics]
    for source in plan.samples:
        found = _features(source, identified, generated_needs, plan, at, say)
        if plan.write_statistics is not None:
            _write(plan.write_statistics, found, source, identified[source.name], used)
        for values, metric in zip(measured, plan.metrics, strict=True):
            say(f"{metric.name} of {source.name}")
            values.append(_timed(metric, found, reference))
    return Measured(
        plan, tuple(_value(metric, each, plan) for metric, each in zip(plan.metrics, measured, strict=True)), used, identified,
        (*_notes(plan), *_same_images(plan, identified)),
    )  # fmt: skip


def _timed(metric: Resolved[Metric], generated: FeatureSet, real: FeatureSet) -> tuple[Mapping[str, float], float]:
    function = metric.component.create_on_features(metric.settings)
    began = time.perf_counter()
    values = function(generated, real, stream(0, f"metric/{metric.name}"))
    return values, time.perf_counter() - began


def _value(metric: Resolved[Metric], measured: Sequence[tuple[Mapping[str, float], float]], plan: Plan) -> Value:
    from harness.board.reading.columns import column_label

    first, *others = measured[0][0]
    name, n = f"{metric.name}[{plan.extractor.name}]", plan.samples[0].n
    return Value(
        name if n is None else column_label(name, n),
        metric,
        tuple(values[first] for values, _ in measured),
        {other: tuple(values[other] for values, _ in measured) for other in others},
        sum(seconds for _, seconds in measured),
    )


@contextmanager
def _naming(source: Source) -> Iterator[None]:
    """Samples that are not finite are a fault of the file, not of training."""
    try:
        yield
    except Diverged as error:
        raise UserError(f"{source.name}: {error}") from error


def _identified(source: Source, at: Context, say: Say) -> Which:
    if source.images is None:
        return {}
    n = source.images.n
    say(f"looking at {source.name}: {n:,} images, {'×'.join(map(str, source.images.shape))}")
    at.reporter.stage("look")
    with _naming(source):
        return source.identify(lambda done: at.reporter.step(done, n, {}))


def _features(
    source: Source, identified: Mapping[str, Which], needs: Collection[str], plan: Plan, at: Context, say: Say
) -> FeatureSet:
    """By need: of the file's own statistics where it has them, and of the images for the rest."""
    given: Mapping[str, Moments] = {}
    if source.statistics is not None:
        given = {need: one for need, one in source.statistics.of(plan.outputs).items() if need in needs}
    rest = set(needs) - set(given)
    if not rest or source.images is None:
        return FeatureSet(source.name, source.n, given)
    say(f"features of {source.name} by {plan.extractor.name}")
    at.reporter.stage("extract")
    with _naming(source):
        made = features.extracted(
            IdentifiedImages(source.images, identified[source.name]), rest, plan.extractor, at, batch=plan.batch
        )
    return FeatureSet(source.name, made.n, {**made.moments_by_need, **given}, made.rows_by_need) if given else made


def _write(path: Path, found: FeatureSet, source: Source, which: Which, used: ExtractorFacts) -> None:
    assert source.images is not None
    moments = {need: found.moments(need) for need in found.moments_by_need}
    known = which.get("pixels") or which.get("fingerprint") or which.get("generated")
    write(
        path, moments,
        Metadata(
            n=source.images.n, source=source.name, split=source.split, pixels=str(known), shape=source.images.shape,
            extractor=used, harness_version=harness.__version__,
        ),
    )  # fmt: skip


def _same_images(plan: Plan, identified: Mapping[str, Which]) -> Iterator[str]:
    """What is measured against itself, or counted as a repetition of itself: seldom what was meant."""
    seen: dict[str, str] = {}
    for source in [*([plan.reference] if plan.reference is not None else []), *plan.samples]:
        if which := identified[source.name]:
            if str(which) in seen:
                yield f"{source.name} holds the same images as {seen[str(which)]}"
            seen.setdefault(str(which), source.name)
    yield from _overlapping_draws(plan, identified)


def _overlapping_draws(plan: Plan, identified: Mapping[str, Which]) -> Iterator[str]:
    """Of draws of one dataset only 2k and 2k + 1 share no image."""
    if plan.reference is None:
        return
    other = identified[plan.reference.name]
    for source in plan.samples:
        which = identified[source.name]
        if which.get("fingerprint") is None or which.get("fingerprint") != other.get("fingerprint"):
            continue
        first, second = which.get("draw"), other.get("draw")
        if isinstance(first, int) and isinstance(second, int) and second not in (first, first ^ 1):
            yield f"{source.name} and {plan.reference.name} may share images: only draws 2k and 2k + 1 share none"


def _notes(plan: Plan) -> Iterator[str]:
    everything = [*plan.samples, *([plan.reference] if plan.reference is not None else [])]
    for source in everything:
        yield from source.notes
    shapes = {source.images.shape: source.name for source in everything if source.images is not None}
    if len(shapes) > 1:
        told = "; ".join(f"{name} {'×'.join(map(str, shape))}" for shape, name in shapes.items())
        yield f"images of different shapes are compared, each resized on its own: {told}"
