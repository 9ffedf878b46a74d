"""Names in a board whose shape is wrong: they are checked even so, that one reading mends the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import Location
from harness.board.schema import ReferenceConfig, split_column
from harness.components import Component, Dataset, Method, Metric, Model, Sampler

Named = tuple[Location, type[Component], object]
"""Where a reference stands, the kind of what it names, and what is written there."""


def check_names(reading: BoardReader, value: Mapping[str, object]) -> None:
    """Add the faults of all components, and of their settings, that a board which failed its schema refers to."""
    for location, kind, written in _references(value):
        try:
            reference = ReferenceConfig.model_validate({"name": written} if isinstance(written, str) else written)
        except ValidationError:
            continue
        reading.resolve(kind, reference, location)


def _references(value: Mapping[str, object]) -> Iterator[Named]:
    """Component references, as far as they can be told."""
    if "dataset" in value:
        yield ("dataset",), Dataset, value["dataset"]
    for name, base in _entries(value, "bases"):
        if isinstance(base, dict):
            yield from _of_base(("bases", name), base)
    for key, kind in (("methods", Method), ("metrics", Metric)):
        for name, entry in _entries(value, key):
            own = entry.get(kind.kind) if isinstance(entry, dict) else None
            default = split_column(str(name))[0] if kind is Metric else name
            yield ((key, name, kind.kind), kind, own) if own else ((key, name), kind, default)


def _of_base(at: Location, base: Mapping[str, object]) -> Iterator[Named]:
    yield (*at, "model"), Model, base.get("model")
    yield (*at, "data"), Dataset, base.get("data")
    if "sampler" in base:
        yield (*at, "sampler"), Sampler, base["sampler"]
    pretrain = base.get("pretrain")
    if isinstance(pretrain, dict):
        yield (*at, "pretrain", "method"), Method, pretrain.get("method")
    for index, step in enumerate(pretrain if isinstance(pretrain, list) else ()):
        if isinstance(step, dict):
            yield (*at, "pretrain", index, "method"), Method, step.get("method")


def _entries(value: Mapping[str, object], key: str) -> list[tuple[str, object]]:
    found = value.get(key)
    return list(found.items()) if isinstance(found, dict) else []
