"""Samplers of bases, and the other bases that a sampler's settings name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    named = NamedBases(reader, bases, names)
    return [_with_named_bases(base, index, named) for group in named.groups.values() for index, base in enumerate(group)]


def _with_named_bases(base: Base, index: int, named: NamedBases) -> Base:
    """Return a base, whose sampler has the bases that its settings name. index: which of the base's seeds this is."""
    if not isinstance(base.origin, Network):
        return base
    location = ("bases", base.name, "sampler")
    named.check_seeds(base, location)
    sampler = named.given_to(base.origin.sampler, location, index)
    return base if sampler is base.origin.sampler else replace(base, origin=replace(base.origin, sampler=sampler))


class NamedBases:
    """The bases that settings of samplers may name.

    Args:
        bases: the bases that were read without a fault.
        names: all bases of the board, those with faults of their own included.
    """

    def __init__(self, reader: BoardReader, bases: Sequence[Base], names: Collection[str]) -> None:
        self._reader, self._names = reader, names
        self.groups: dict[str, list[Base]] = {}
        """The bases by name: one, or those of several seeds."""
        for base in bases:
            self.groups.setdefault(base.name, []).append(base)

    def check_seeds(self, base: Base, location: Location) -> None:
        """Add a fault for each base that the sampler of a base names and that has seeds of another number."""
        own = len(self.groups[base.name])
        for setting, name in base_names(base.network.sampler.settings):
            if (count := len(self.groups.get(name, [base]))) not in (1, own):
                text = f"the base {name!r} has {count} seeds, and {base.name!r} has {own}: give both as many"
                self._reader.add_fault((*location, setting), text)

    def given_to(self, sampler: Resolved[Sampler], location: Location, index: int) -> Resolved[Sampler]:
        """Return a sampler with the bases that its settings name. A name of no base is a fault.

        Args:
            location: where the sampler stands in the file.
            index: which of the seeds' bases are taken, where bases have several.
        """
        named: list[Base] = []
        for setting, name in base_names(sampler.settings):
            at = (*location, setting)
            if name in self.groups:
                paired = self.groups[name][index % len(self.groups[name])]
                _check_named_base(self._reader, sampler, paired, at)
                named.append(paired)
            elif name not in self._names:
                self._reader.add_unknown(at, "base", name, self._names)
        return replace(sampler, bases=tuple(named)) if named else sampler

    def seeds_of(self, sampler: Resolved[Sampler]) -> int:
        """Return the largest number of seeds among the bases that the sampler's settings name; 1 where they name none."""
        return max((len(self.groups.get(name, [])) for _, name in base_names(sampler.settings)), default=1) or 1


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
