"""Samplers of bases, and the other bases that a sampler's settings name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from harness.board.bases import Base, Network
from harness.board.components import Resolved
from harness.board.reading.base_entry import BaseEntry
from harness.board.reading.reader import BoardReader
from harness.board.reading.skips import lacks
from harness.board.reading.yaml_file import Location
from harness.board.schema import ComponentEntry
from harness.components import Model, Sampler
from harness.inner_components import base_names, sampler_needs


def read_sampler(reader: BoardReader, base: BaseEntry, model: Resolved[Model]) -> Resolved[Sampler] | None:
    """Read the sampler of a base; the model's native one where the base names none. Returns: None after a fault."""
    sampler = base.config.sampler or ComponentEntry(name=model.component.sampler)
    return reader.resolve(Sampler, sampler, base.at("sampler"))


def check_sampler(reader: BoardReader, sampler: Resolved[Sampler], model: Resolved[Model], base: BaseEntry) -> None:
    """Add a fault where the sampler cannot draw from the base's model."""
    if missing := _missing(sampler, model):
        text = f"{model.name} lacks {missing}, which the sampler {sampler.name} needs"
        reader.add_fault(base.at("sampler"), text)


def with_named_bases(reader: BoardReader, bases: Sequence[Base], names: Collection[str]) -> list[Base]:
    """Return the bases, each sampler with the bases that its settings name. A name of no base is a fault.

    Args:
        names: all bases of the board, those with faults of their own included.
    """
    by_name: dict[str, list[Base]] = {}
    for base in bases:
        by_name.setdefault(base.name, []).append(base)
    return [
        _with_named_bases(reader, base, index, by_name, names) for group in by_name.values() for index, base in enumerate(group)
    ]


def _with_named_bases(
    reader: BoardReader, base: Base, index: int, by_name: Mapping[str, Sequence[Base]], names: Collection[str]
) -> Base:
    """Return a base, whose sampler has the bases that its settings name. index: which of the base's seeds this is."""
    if not isinstance(base.origin, Network):
        return base
    sampler = base.origin.sampler
    named: list[Base] = []
    for setting, name in base_names(sampler.settings):
        location = ("bases", base.name, "sampler", setting)
        if name in by_name:
            seeds = by_name[name]
            if len(seeds) not in (1, len(by_name[base.name])):
                own = len(by_name[base.name])
                text = f"the base {name!r} has {len(seeds)} seeds, and {base.name!r} has {own}: give both as many"
                reader.add_fault(location, text)
                continue
            paired = seeds[index % len(seeds)]
            _check_named_base(reader, sampler, paired, location)
            named.append(paired)
        elif name not in names:
            reader.add_unknown(location, "base", name, names)
    if not named:
        return base
    return replace(base, origin=replace(base.origin, sampler=replace(sampler, bases=tuple(named))))


def _check_named_base(reader: BoardReader, sampler: Resolved[Sampler], named: Base, location: Location) -> None:
    """Add a fault where the sampler cannot call the network of a base that its settings name."""
    if not isinstance(named.origin, Network):
        reader.add_fault(location, f"the base {named.name!r} is data, and no network")
        return
    model = named.origin.model
    if missing := _missing(sampler, model):
        reader.add_fault(location, f"{model.name} lacks {missing}, which {sampler.name} needs")


def _missing(sampler: Resolved[Sampler], model: Resolved[Model]) -> str:
    """Return the capabilities that the sampler needs and the model lacks, joined by commas."""
    return ", ".join(lacks(sampler_needs(sampler.component, sampler.settings), model.component))
