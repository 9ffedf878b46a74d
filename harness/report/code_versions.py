"""Which code a board's records were made with. Numbers of one component in two versions of its code are not comparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from harness.errors import UserError
from harness.report.collect import Collection
from harness.report.phrases import listed
from harness.run.changes import changes
from harness.stages import sources
from harness.store.record_names import RecordName
from harness.store.records import SourceFacts

SHORT = 12
"""Digits of a hash that messages and pages show."""
NAMED = 6
"""Records that messages and pages name of each version; they count the others."""

NamesByCode = Mapping[SourceFacts, list[str]]
"""The names of the records that each version of a component's code made."""


def mixed_code(collection: Collection) -> dict[str, NamesByCode]:
    """Return the components whose code was edited between two of the collection's records.

    Records without hashes, as older versions wrote them, are not counted: their code is unknown.
    """
    records_of: dict[str, dict[SourceFacts, list[str]]] = {}
    for names, facts in _uses(collection):
        records_of.setdefault(facts.component, {}).setdefault(facts, []).extend(names)
    return {
        component: by_code
        for component, by_code in sorted(records_of.items())
        if any(sources.differ(first, second) for first, second in combinations(by_code, 2))
    }


def check_code(fresh: Collection, published: Collection, merged: Collection) -> None:
    """Check that a board can be published: one version of the code of each component, and the one that is installed.

    Args:
        fresh: the records of the runs folder.
        published: those that are published already; what is not new among `fresh` may be of code that was edited since.
        merged: all records that the board would then have.
    Raises: UserError that names the components and the records.
    """
    edited = _edited(_new(fresh, published))
    mixed = mixed_code(merged)
    if not (mixed or edited):
        return
    faults = [f"{component} in several versions: {versions(by_code)}" for component, by_code in mixed.items()]
    faults += [
        f"{component} was edited after these records were made: {listed(names, NAMED)}"
        for component, names in edited.items()
        if component not in mixed  # said already, with the records of each version
    ]
    raise UserError(
        f"{merged.board.name}: records were made by code that was edited, and their numbers may not be comparable: "
        f"{'; '.join(faults)}. Make them anew (harness run {merged.board.folder} --fresh FILTER, with --fresh-bases and "
        "--fresh-floors for bases and floors; --remeasure FILTER where weights and samples are of the code as it is now), "
        "restore the code, or publish with --allow-mixed"
    )


def versions(by_code: NamesByCode) -> str:
    """Return the versions of a component's code, each with the records that it made."""
    return "; ".join(f"source {facts.sha256[:SHORT]} made {listed(names, NAMED)}" for facts, names in by_code.items())


def _new(fresh: Collection, published: Collection) -> Collection:
    """Return the records that are not published yet."""
    records = {name: outcome for name, outcome in fresh.records.items() if published.records.get(name) != outcome}
    floors = {name: floor for name, floor in fresh.floors.items() if published.floors.get(name) != floor}
    return replace(fresh, records=records, floors=floors)


def _edited(fresh: Collection) -> dict[str, list[str]]:
    """Return the names of the records whose code is now another, by component."""
    edited: dict[str, list[str]] = {}
    for names, facts in _uses(fresh):
        for change in changes([facts]):
            edited.setdefault(change.recorded.component, []).extend(names)
    return edited


def _uses(collection: Collection) -> Iterator[tuple[list[str], SourceFacts]]:
    """Yield each version of a component's code with the names of the records that it made, once for each set of versions."""
    records_of: dict[tuple[tuple[str, str, str, str], ...], list[str]] = {}
    for cell, outcome in collection.records.items():
        records_of.setdefault(outcome.sources, []).append(str(RecordName("cell", cell)))
    for floor, record in collection.floors.items():
        of_floor = tuple((facts.component, facts.distribution, facts.version, facts.sha256) for facts in record.sources)
        records_of.setdefault(of_floor, []).append(str(RecordName("floor", floor)))
    for made_by, names in records_of.items():
        for component, distribution, version, sha256 in made_by:
            yield names, SourceFacts(component=component, distribution=distribution, version=version, sha256=sha256)
