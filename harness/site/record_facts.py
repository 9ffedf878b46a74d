"""The facts of one record, as its page lists them: how it ended, its numbers, settings, hashes, costs, machine and code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.report.how_measured import ENVIRONMENT
from harness.report.phrases import setting_text
from harness.store.records import ComponentFacts, Record, SourceFacts

COUNTS = {
    "images_seen": "training images seen",
    "steps": "optimiser steps",
    "network_evaluations": "network evaluations in training",
    "forward_evaluations": "of them without gradients",
    "backward_evaluations": "of them with gradients",
    "selection_evaluations": "network evaluations of the curve",
    "nfe": "network evaluations for a sample",
    "seconds_finetune": "seconds of fine-tuning",
    "seconds_sample": "seconds of sampling",
    "seconds_steps": "seconds of the steps of fine-tuning",
    "images_extracted": "generated images through extractors",
    "seconds_extract": "seconds of extracting their features",
    "seconds_prepare": "seconds that prepared the sampler",
    "prepare_evaluations": "network evaluations that prepared the sampler",
    "peak_memory_bytes": "peak memory, bytes",
}
"""Names of a record's costs on its page."""


@dataclass(frozen=True)
class Facts:
    """Names and values under one heading. is_code: whether the values are hashes and the like."""

    heading: str
    rows: tuple[tuple[str, str], ...]
    is_code: bool = False


def facts_of(record: Record) -> list[Facts]:
    """Return all facts of a record but its metrics, its curve and its code."""
    found = [
        Facts("Result", tuple(_result(record))),
        Facts("Hashes", tuple(_hashes(record)), is_code=True),
        Facts("Costs", tuple(_costs(record))),
        *_components(record),
        Facts("Pretraining", _settings(record.pretraining)),
        Facts("Training", _settings(record.training)),
        Facts("Evaluation", _settings(record.evaluation)),
        Facts("Environment", tuple((ENVIRONMENT.get(name, name), str(value)) for name, value in record.environment.items())),
    ]
    return [facts for facts in found if facts.rows]


def metric_rows(record: Record) -> list[tuple[str, str, list[str], str]]:
    """Return name, mean, value of each draw, and seconds of every metric, as the record has them, unrounded."""
    rows = []
    for name, measured in record.metrics.items():
        mean = repr(measured.mean) if measured.values else ""
        rows.append((name, mean, [repr(value) for value in measured.values], f"{measured.seconds:.2f}"))
        rows += [(f"{name}: {also}", "", [repr(value) for value in values], "") for also, values in measured.also.items()]
    return rows


def source_rows(record: Record) -> list[tuple[str, str, str, str]]:
    """Return component, distribution with version, commit and hash of the code that made the numbers."""
    return [(each.component, _distribution(each), each.commit, each.sha256) for each in record.sources]


def _distribution(source: SourceFacts) -> str:
    return f"{source.distribution} {source.version}".strip()


def _result(record: Record) -> Iterator[tuple[str, str]]:
    yield "status", record.status
    if record.reason:
        yield "reason", record.reason
    yield "board", f"{record.board}, protocol {record.protocol}"
    yield "base", record.base
    yield "method", record.method
    if record.size is not None:
        yield "samples", f"{record.size:,}"
    if record.sampler_name is not None:
        yield "sampler", record.sampler_name
    yield "seed", str(record.seed)
    yield "parameters", f"{record.parameters:,}"
    if record.selected_images is not None:
        yield "weights selected after", f"{record.selected_images:,} images"
    yield "made at", record.created
    if record.unsealed:
        yield "stages without a checksum", ", ".join(record.unsealed)


def _hashes(record: Record) -> Iterator[tuple[str, str]]:
    hashes = {
        "key": record.key,
        "weights": record.weights_sha256,
        "weights of the base": record.base_weights_sha256,
        **{f"weights of the base {key}": sha256 for key, sha256 in record.called_weights_sha256.items()},
        "samples": record.samples_sha256,
        "data": record.dataset_fingerprint,
        **{f"weights of {name}": facts.weights_sha256 for name, facts in record.extractors.items()},
    }
    yield from ((name, value) for name, value in hashes.items() if value)


def _costs(record: Record) -> Iterator[tuple[str, str]]:
    for name, value in record.costs.model_dump(mode="json").items():
        if name in COUNTS:
            yield COUNTS[name], f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else f"{value:,}"


def _components(record: Record) -> Iterator[Facts]:
    kinds: list[tuple[str, ComponentFacts | None]] = [
        ("Model", record.model),
        ("Sampler", record.sampler),
        ("Sampler in training", record.training_sampler),
        ("Method", record.finetuning),
        ("Dataset", record.dataset),
        *(("Extractor", facts) for facts in record.extractors.values()),
    ]
    for kind, facts in kinds:
        if facts is not None:
            formula = (("formula", facts.formula),) if facts.formula else ()
            rows = (("name", facts.name), ("version", facts.version), *formula, *_settings(facts.settings))
            yield Facts(f"{kind}: {facts.name}", rows)
    for weights in record.weights_read:
        rows = tuple((name, setting_text(value)) for name, value in weights.model_dump(mode="json").items() if value)
        yield Facts("Weights read from files", rows)


def _settings(settings: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, setting_text(value)) for name, value in settings.items())
