"""A measurement as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.output import print_table, result

if TYPE_CHECKING:
    from harness.images.sets import ImageSet
    from harness.images.statistics_files import StatisticsFile
    from harness.measure.image_source import ImagesIdentity, ImageSource
    from harness.measure.measurement import MeasuredMetric, Measurement
    from harness.store.records import ExtractorFacts

IDENTITIES = ("pixels", "fingerprint", "generated")
"""The parts of an identity that JSON shows; the others are settings that stand elsewhere."""


def as_content(measurement: Measurement, device: str) -> dict[str, object]:
    """Return everything, for `--json`. device: the kind of device that the extractor ran on, `cpu` or `cuda`."""
    from harness.process import environment

    plan, identities = measurement.plan, measurement.identities
    return {
        "metrics": [_metric_content(measured) for measured in measurement.metrics],
        "samples": [_source_content(source, identities[source.name]) for source in plan.samples],
        "reference": None if plan.reference is None else _source_content(plan.reference, identities[plan.reference.name]),
        "extractor": measurement.extractor.model_dump(mode="json"),
        "notes": list(measurement.notes),
        "environment": environment.describe(device),
    }


def _metric_content(measured: MeasuredMetric) -> dict[str, object]:
    return {
        "name": measured.label,
        "metric": measured.metric.name,
        "higher_is_better": measured.component.higher_is_better if measured.component.ranks else None,
        "mean": measured.mean,
        "min": min(measured.values),
        "max": max(measured.values),
        "sd": measured.deviation,
        "values": list(measured.values),
        "also": {name: list(values) for name, values in measured.side_values.items()},
        "definition": measured.component.summary,
        "settings": measured.metric.settings.model_dump(mode="json"),
        "version": measured.metric.version,
        "seconds": measured.seconds,
    }


def _source_content(source: ImageSource, identity: ImagesIdentity) -> dict[str, object]:
    content: dict[str, object] = {"source": source.name, "kind": source.kind, "n": source.n}
    if source.images is not None:
        content |= {"images": source.images.n, "shape": list(source.images.shape)}
    if source.split:
        content["split"] = source.split
    if source.statistics is not None and source.statistics.metadata is not None:
        content["statistics_of"] = source.statistics.metadata.model_dump(mode="json")
    return content | {key: value for key, value in identity.items() if key in IDENTITIES}


def print_measurement(measurement: Measurement) -> None:
    """Print the numbers, then what they are numbers of."""
    plan = measurement.plan
    if measurement.metrics:
        print_table([_row(measured) for measured in measurement.metrics])
    result("" if measurement.metrics else "no metric was asked for")
    for source in plan.samples:
        _print_fact("samples", _described(source))
    if plan.reference is not None:
        _print_fact("reference", _described(plan.reference))
    _print_fact("extractor", _described_extractor(measurement.extractor))
    _print_fact("images", measurement.extractor.preprocessing)
    for measured in measurement.metrics:
        _print_fact(measured.metric.name, _described_metric(measured))
    for note in measurement.notes:
        _print_fact("note", note)


def _print_fact(title: str, text: str) -> None:
    result(f"{title:<10} {text}")


def _row(measured: MeasuredMetric) -> dict[str, str]:
    """Return a row: one value, or the mean, deviation and extremes of several repetitions, since papers quote the best."""
    better = "higher" if measured.component.higher_is_better else "lower"
    row = {"metric": measured.label, "": f"{better} is better" if measured.component.ranks else ""}
    if measured.deviation is None:
        row["value"] = f"{measured.mean:z.6g}"
    else:
        row |= {"mean": f"{measured.mean:z.6g}", "sd": f"{measured.deviation:z.3g}"}
        row |= {"min": f"{min(measured.values):z.6g}", "max": f"{max(measured.values):z.6g}"}
        row["repetitions"] = str(len(measured.values))
    means = {name: sum(values) / len(values) for name, values in measured.side_values.items()}
    return row | {"also": ", ".join(f"{name} {mean:z.3g}" for name, mean in means.items())}


def _described(source: ImageSource) -> str:
    parts = [source.kind]
    if source.images is not None:
        parts.append(_described_images(source.images))
    if source.statistics is not None:
        parts.append(_described_statistics(source.statistics))
    return f"{source.name}: {', '.join(parts)}"


def _described_images(images: ImageSet) -> str:
    channels, height, width = images.shape
    return f"{images.n:,} images of {width}x{height}, {'grey' if channels == 1 else 'colour'}"


def _described_statistics(statistics: StatisticsFile) -> str:
    metadata = statistics.metadata
    if metadata is None:
        return "number of images unknown"
    return f"statistics of {metadata.n:,} images of {metadata.source} {metadata.split}".rstrip()


def _described_extractor(extractor: ExtractorFacts) -> str:
    settings = f", settings {extractor.settings}" if extractor.settings else ""
    return f"{extractor.name} {extractor.version}{settings}, weights sha256 {extractor.weights_sha256}"


def _described_metric(measured: MeasuredMetric) -> str:
    settings = measured.metric.settings.model_dump(mode="json", exclude_none=True)
    listed = ", ".join(f"{key} {value}" for key, value in settings.items())
    return measured.component.summary + (f" ({listed})" if listed else "")
