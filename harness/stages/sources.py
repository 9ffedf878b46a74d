"""The sources of stages: the code of every component that made an output, as manifests and records keep it. Imports no torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter

from harness.board.components import Resolved
from harness.components import Component
from harness.inner_components import inner_samplers
from harness.plugins import registry
from harness.process import sources
from harness.process.sources import Source
from harness.store.files import Damage, reading, write_text
from harness.store.keys import digest
from harness.store.reading import read_bytes
from harness.store.records import SourceFacts
from harness.store.seal import seal_fault, sealed

log = logging.getLogger(__name__)
SOURCES = "sources.json"
"""The file beside checkpoints with the sources of all processes that trained."""
_LIST = TypeAdapter(list[SourceFacts])

_read: dict[tuple[str, str], Source] = {}
"""Sources by title and target. Each is read once in a process, when a stage first asks for it: that is before its code is
imported, so that the hash is of the code that the process runs."""


def of(*parts: Resolved[Component]) -> list[SourceFacts]:
    """Return the sources of the core, of some components, and of the samplers that their settings name."""
    found = [(sources.CORE, sources.core_source())]
    found += [(component.title, _source(component)) for component in _with_inner(parts)]
    # Of code that was edited while a run goes on, nobody can say which parts were imported before: both versions count.
    earlier = [(title, before) for title, source in found if (before := sources.edited_since_start(source)) is not None]
    return merged([_facts(title, source) for title, source in (*earlier, *found)])


def of_training(work: Path, *parts: Resolved[Component]) -> list[SourceFacts]:
    """Return the sources of a training, like `of`, with those of the earlier processes whose checkpoints it goes on from.

    Args:
        work: the folder of the checkpoints, where the sources are kept beside them.
    """
    found = merged(of_unfinished(work), of(*parts))
    write_text(work / SOURCES, sealed({"training": work.name, "sources": as_json(found)}))
    return found


def of_unfinished(work: Path) -> list[SourceFacts]:
    """Return the sources of the processes that wrote the checkpoints in a folder; none where there are no checkpoints.

    Raises: StorageError.
    """
    return _kept_sources(work / SOURCES, work.name) if any(work.glob("step-*")) else []


def _kept_sources(file: Path, training: str) -> list[SourceFacts]:
    """Return the sources in a file beside the checkpoints of a training; none where an older version wrote the checkpoints.

    A damaged file is reported: nobody knows then what code the earlier processes ran. Raises: StorageError.
    """
    try:
        with reading(file):
            content = read_bytes(file)
    except Damage:
        return []
    if (fault := seal_fault(content, "list of sources")) is None:
        kept = json.loads(content)
        if kept["training"] == training:
            return _LIST.validate_python(kept["sources"])
        fault = f"of another training: {kept['training']}"
    log.warning("%s is damaged (%s); the record will not tell the code of the processes that trained before", file, fault)
    return []


def of_facts(facts: Mapping[str, object]) -> list[SourceFacts]:
    """Return the sources in the facts of an output; none in those of an older version."""
    return _LIST.validate_python(facts.get("sources", []))


def own_of_facts(facts: Mapping[str, object]) -> list[SourceFacts]:
    """Return the sources of the stage alone that made an output, where its facts tell them from those of what it was made from.

    Elsewhere all sources count as the stage's own.
    """
    return _LIST.validate_python(facts["own_sources"]) if "own_sources" in facts else of_facts(facts)


def as_json(facts: Iterable[SourceFacts]) -> list[dict[str, str]]:
    """Return sources as manifests hold them."""
    return [each.model_dump() for each in facts]


def merged(*lists: Iterable[SourceFacts]) -> list[SourceFacts]:
    """Return all sources of several outputs by component. Of equal code the last entry stays, whatever its commit."""
    unique = {(facts.component, facts.sha256): facts for each in lists for facts in each}
    return [unique[key] for key in sorted(unique)]


def installed(component: str) -> Source | None:
    """Return a component's code as it is now; None for a component that is not installed.

    Args:
        component: kind and name, as in `SourceFacts`.
    """
    if component == sources.CORE:
        return sources.core_source()
    kind, _, name = component.partition(" ")
    provided = registry().find(kind, name)
    return None if provided is None else _source(provided.component)


def differ(first: SourceFacts, second: SourceFacts | Source) -> bool:
    """Return whether the code of one component was edited between two results.

    Code without a hash differs from nothing. Neither do two releases of finetune-harness: where a release changes numbers, it
    raises the versions that are part of the keys.
    """
    if "" in (first.sha256, second.sha256) or first.sha256 == second.sha256:
        return False
    return not (first.distribution == second.distribution == sources.CORE_DISTRIBUTION and first.version != second.version)


def digest_of(facts: Iterable[SourceFacts]) -> str:
    """Return a hash over the code of several components."""
    return digest(sources=sorted([each.component, each.sha256] for each in facts))


def are_alone(own: Iterable[SourceFacts], recorded: Iterable[SourceFacts]) -> bool:
    """Return whether an output was made by all of `own`, and by no other code of the same components.

    Both versions made what was made while a component was edited: that output is not what `own` alone would make.
    """
    expected = {(facts.component, facts.sha256) for facts in own}
    components = {component for component, _ in expected}
    return expected == {(facts.component, facts.sha256) for facts in recorded if facts.component in components}


def _with_inner(parts: Iterable[Resolved[Component]]) -> Iterator[Component]:
    for part in parts:
        yield part.component
        yield from (inner.component for inner in inner_samplers(part.settings))


def _source(component: Component) -> Source:
    key = (component.title, component.build)
    if key not in _read:
        provided = registry().find(component.kind, component.name)
        is_known = provided is not None and provided.component.build == component.build
        _read[key] = sources.component_source(component, provided if is_known else None)
    return _read[key]


def _facts(component: str, source: Source) -> SourceFacts:
    return SourceFacts(
        component=component,
        distribution=source.distribution,
        version=source.version,
        commit=source.commit,
        sha256=source.sha256,
    )
