"""The `only` of bases and methods: which of their own cells the board has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.cells import Cell
from harness.board.filters import Filter, parse_filter
from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import Location
from harness.board.schema import BoardConfig


@dataclass(frozen=True)
class EntryFilter:
    """What the entry `name` of `kind` ("base" or "method") says about its own cells; all others stay."""

    kind: str
    name: str
    location: Location
    only: Filter

    def keeps(self, cell: Cell) -> bool:
        return cell.facts[self.kind] != self.name or self.only.keeps(cell.facts)


def entry_filters(reading: BoardReader, config: BoardConfig) -> list[EntryFilter]:
    """Those of all bases and methods that have one."""
    found: list[EntryFilter] = []
    for kind, entries in (("base", config.bases), ("method", config.methods)):
        for name, entry in entries.items():
            location = (f"{kind}s", name, "only")
            if entry.only:
                with reading.faults.noted():
                    only = parse_filter(entry.only, where=reading.source.where(location))
                    found.append(EntryFilter(kind, name, location, only))
    return found


def check_filters(reading: BoardReader, config: BoardConfig, filters: Sequence[EntryFilter], cells: Sequence[Cell]) -> None:
    """A fault for each value of a filter that no cell has."""
    if not filters:
        return
    known = [cell.facts for cell in cells]
    # A smoke board has fewer seeds and sizes than its file, and the file's filters may name any of them.
    known += [{**known[0], "seed": str(seed)} for seed in config.seeds]
    known += [{**known[0], "n": str(size)} for size in config.evaluation.sizes]
    for entry in filters:
        with reading.faults.noted():
            entry.only.check(known, where=reading.source.where(entry.location))
