"""Samplers of bases, and the bases that these name in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.board.bases import Base, Network
from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.board.reading.skips import lacks
from harness.board.reading.yaml_file import Location
from harness.board.schema import BaseConfig, ReferenceConfig
from harness.components import Model, Sampler
from harness.references import base_names, sampler_needs


def read_sampler(reading: BoardReader, entry: BaseConfig, model: Resolved[Model], at: Location) -> Resolved[Sampler] | None:
    """That of a base, the model's native one where none is named; None after a fault."""
    reference = entry.sampler or ReferenceConfig(name=model.component.sampler)
    return reading.resolve(Sampler, reference, (*at, "sampler"))


def check_sampler(reading: BoardReader, sampler: Resolved[Sampler], model: Resolved[Model], at: Location) -> None:
    """A fault where the sampler cannot drive the base's own model."""
    if missing := _missing(sampler, model):
        text = f"{model.name} lacks {missing}, which the sampler {sampler.name} needs"
        reading.fault((*at, "sampler"), text)


def with_named_bases(reading: BoardReader, bases: Sequence[Base | None]) -> list[Base | None]:
    """Return the bases, each of whose samplers holds the bases that its settings name. A name of no base is a fault."""
    known = {base.name: base for base in bases if base is not None}
    return [base and _with_named(reading, base, known) for base in bases]


def _with_named(reading: BoardReader, base: Base, known: Mapping[str, Base]) -> Base:
    if not isinstance(base.origin, Network):
        return base
    sampler = base.origin.sampler
    named: list[Base] = []
    for setting, name in base_names(sampler.settings):
        location = ("bases", base.name, "sampler", setting)
        if name in known:
            _check_named(reading, sampler, known[name], location)
            named.append(known[name])
        else:
            reading.unknown(location, "base", name, known)
    return replace(base, origin=replace(base.origin, sampler=replace(sampler, bases=tuple(named)))) if named else base


def _check_named(reading: BoardReader, sampler: Resolved[Sampler], named: Base, location: Location) -> None:
    """Add a fault where the sampler cannot call the network of the base that it names."""
    if not isinstance(named.origin, Network):
        reading.fault(location, f"the base {named.name!r} is data, and no network")
        return
    model = named.origin.model
    if missing := _missing(sampler, model):
        reading.fault(location, f"{model.name} lacks {missing}, which {sampler.name} needs")


def _missing(sampler: Resolved[Sampler], model: Resolved[Model]) -> str:
    """Capabilities that the sampler needs and the model lacks, joined by commas."""
    return ", ".join(lacks(sampler_needs(sampler.component, sampler.settings), model.component))
