"""The samplers of `evaluation`, each with the bases that its settings name; a sweep makes one sampler of each of its numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.board.bases import Base
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import NamedBases
from harness.board.reading.yaml_file import Location
from harness.board.samplers import EvaluationSampler, SweepPoint
from harness.board.schema import BoardConfig, ComponentEntry, SamplerConfig
from harness.components import Sampler
from harness.config import without_unused


def read_evaluation_samplers(reader: BoardReader, board: BoardConfig, bases: Sequence[Base]) -> tuple[EvaluationSampler, ...]:
    """Read `evaluation.samplers`: none where the base's sampler draws what is measured.

    Args:
        bases: the bases that were read without a fault.
    """
    named = NamedBases(reader, bases, board.bases)
    samplers = [each for name, entry in board.evaluation.samplers.items() for each in _read(reader, name, entry, named)]
    _check_repeats(reader, samplers)
    return tuple(samplers)


def sampler_names(entries: Mapping[str, SamplerConfig]) -> dict[str, list[str]]:
    """Return the names of the samplers that each entry of `evaluation.samplers` makes, by the entry's name."""
    return {
        name: [_point_name(name, value) for values in entry.sweep.values() for value in values] or [name]
        for name, entry in entries.items()
    }


def _read(reader: BoardReader, name: str, config: SamplerConfig, named: NamedBases) -> Iterator[EvaluationSampler]:
    location, label = ("evaluation", "samplers", name), config.label or name
    if not config.sweep:
        yield from _resolved(reader, name, label, config.settings, config.name, location, None, named)
    for setting, values in config.sweep.items():
        for value in values:
            settings, point = {**config.settings, setting: value}, SweepPoint(name, label, setting, value)
            point_label = f"{label}, {setting} {value:.12g}"
            yield from _resolved(reader, _point_name(name, value), point_label, settings, config.name, location, point, named)


def _resolved(
    reader: BoardReader,
    name: str,
    label: str,
    settings: Mapping[str, object],
    component: str,
    location: Location,
    point: SweepPoint | None,
    named: NamedBases,
) -> Iterator[EvaluationSampler]:
    """Yield the sampler; nothing after a fault."""
    sampler = reader.resolve(Sampler, ComponentEntry(name=component, **settings), location)
    if sampler is not None:
        by_seed = tuple(named.given_to(sampler, location, index) for index in range(named.seeds_of(sampler)))
        yield EvaluationSampler(name, label, by_seed[0], point, by_seed)


def _point_name(name: str, value: float) -> str:
    """Return the name of a point of a sweep: `cfg-0.5`. A name has no two hyphens in a row, and no plus sign."""
    return f"{name}-{value:.12g}".replace("--", "-minus").replace("+", "")


def _check_repeats(reader: BoardReader, samplers: Collection[EvaluationSampler]) -> None:
    """Add a fault for each sampler whose name or settings another one has."""
    names: set[str] = set()
    first_names: dict[str, str] = {}
    for each in samplers:
        location = ("evaluation", "samplers", each.name if each.point is None else each.point.sweep)
        if each.name in names:
            reader.add_fault(location, f"there are two samplers {each.name!r}: their cells would have the same names")
        names.add(each.name)
        settings = each.sampler.full or each.sampler.settings
        first = first_names.setdefault(f"{each.sampler.name}/{without_unused(settings, settings.identity)}", each.name)
        if first != each.name:
            reader.add_fault(location, f"{each.name!r} and {first!r} have the same settings: duplicate cells")
