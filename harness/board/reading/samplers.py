"""Samplers of bases, and the bases that these name in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.board.cells import Base, Resolved
from harness.board.reading.reader import BoardReader
from harness.board.reading.skips import lacks
from harness.board.reading.yaml_file import Location
from harness.board.schema import BaseConfig, ReferenceConfig
from harness.components import Model, Sampler
from harness.references import base_names, sampler_needs


def read_sampler(reading: BoardReader, entry: BaseConfig, model: Resolved, at: Location) -> Resolved | None:
    """That of a base, the model's native one where none is named; None after a fault."""
    reference = entry.sampler or ReferenceConfig(name=model.of(Model).sampler)
    return reading.resolve("sampler", reference, (*at, "sampler"))


def check_sampler(reading: BoardReader, sampler: Resolved, model: Resolved, at: Location) -> None:
    """A fault where the sampler cannot drive the base's own model."""
    if missing := _missing(sampler, model):
        text = f"{model.name} lacks {missing}, which the sampler {sampler.name} needs"
        reading.fault((*at, "sampler"), text)


def with_named_bases(reading: BoardReader, bases: Sequence[Base | None]) -> list[Base | None]:
    """The bases, each of whose samplers holds the bases that its settings name."""
    known = {base.name: base for base in bases if base}
    return [base and _with_named(reading, base, known) for base in bases]


def _with_named(reading: BoardReader, base: Base, known: Mapping[str, Base]) -> Base:
    named = [_named(reading, base, field, name, known) for field, name in base_names(base.sampler.settings)]
    found = tuple(other for other in named if other is not None)
    return replace(base, sampler=replace(base.sampler, bases=found)) if found else base


def _named(reading: BoardReader, base: Base, field: str, name: str, known: Mapping[str, Base]) -> Base | None:
    """The base whose network a setting of the sampler names; None after a fault that leaves none."""
    at = ("bases", base.name, "sampler", field)
    other = known.get(name)
    if other is None:
        reading.unknown(at, "base", name, known)
        return None
    if other.data is not None:
        reading.fault(at, f"the base {name!r} is data, and no network")
        return None
    if missing := _missing(base.sampler, other.model):
        reading.fault(at, f"{other.model.name} lacks {missing}, which {base.sampler.name} needs")
    return other


def _missing(sampler: Resolved, model: Resolved) -> str:
    """Capabilities that the sampler needs and the model lacks, joined by commas."""
    return ", ".join(lacks(sampler_needs(sampler.of(Sampler), sampler.settings), model.of(Model)))
