"""Check the components of a board whose schema has faults, so that one reading finds all faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from harness.board.reading.method_grids import first_point
from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import Location
from harness.board.schema import ComponentEntry, SamplerConfig, split_column
from harness.components import Component, Dataset, Extractor, Method, Metric, Model, Sampler

NamedComponent = tuple[Location, type[Component], object]
"""Where a component is named, its kind, and the value that stands there."""


def check_component_entries(reader: BoardReader, board: Mapping[str, object]) -> None:
    """Add the faults of all components that an invalid board names, and of their settings."""
    for location, kind, value in _named_components(board):
        try:
            entry = ComponentEntry.model_validate({"name": value} if isinstance(value, str) else first_point(value))
        except ValidationError:  # the schema has said what is wrong
            continue
        reader.resolve(kind, entry, location)


def _named_components(board: Mapping[str, object]) -> Iterator[NamedComponent]:
    yield ("dataset",), Dataset, board.get("dataset")
    for name, base in _mapping(board, "bases").items():
        if isinstance(base, dict):
            yield from _components_of_base(("bases", name), base)
    for name, entry in _mapping(board, "methods").items():
        yield _component_of_entry(("methods", name), Method, entry, default=name)
    for name, entry in _mapping(_mapping(board, "evaluation"), "samplers").items():
        yield ("evaluation", "samplers", name), Sampler, _without_sweep(entry)
    for name, entry in _mapping(board, "metrics").items():
        metric, extractor = split_column(name)
        yield _component_of_entry(("metrics", name), Metric, entry, default=metric)
        if extractor is not None:
            yield _component_of_entry(("metrics", name), Extractor, entry, default=extractor)


def _components_of_base(location: Location, base: Mapping[str, object]) -> Iterator[NamedComponent]:
    for key, kind in (("model", Model), ("data", Dataset), ("sampler", Sampler)):
        yield (*location, key), kind, base.get(key)
    pretrain = base.get("pretrain")
    if isinstance(pretrain, dict):
        yield (*location, "pretrain", "method"), Method, pretrain.get("method")
    for index, step in enumerate(pretrain if isinstance(pretrain, list) else ()):
        if isinstance(step, dict):
            yield (*location, "pretrain", index, "method"), Method, step.get("method")


def _without_sweep(sampler: object) -> object:
    """Return an entry of `evaluation.samplers` with nothing but the sampler's name and settings."""
    own = SamplerConfig.model_fields.keys() - {"name"}
    return {key: value for key, value in sampler.items() if key not in own} if isinstance(sampler, dict) else sampler


def _component_of_entry(location: Location, kind: type[Component], entry: object, *, default: str) -> NamedComponent:
    """Return the component of an entry of `methods` or `metrics`, which the entry's key names where the entry does not."""
    value = entry.get(kind.kind) if isinstance(entry, dict) else None
    return ((*location, kind.kind), kind, value) if value else (location, kind, default)


def _mapping(board: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = board.get(key)
    return value if isinstance(value, dict) else {}
