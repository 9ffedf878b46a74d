"""The `only` of bases and methods: filters that say which of their own cells the board has."""

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
    """The `only` of one base or method.

    Args:
        key: filter key of the entry, "base" or "method".
        name: name of the entry; cells of other bases or methods all stay.
    """

    key: str
    name: str
    location: Location
    only: Filter

    def keeps(self, cell: Cell) -> bool:
        """Whether the board has the cell, as far as this filter says."""
        return cell.facts[self.key] != self.name or self.only.keeps(cell.facts)


def entry_filters(reader: BoardReader, board: BoardConfig) -> list[EntryFilter]:
    """Return the filters of all bases and methods that have one. A text that is no filter is a fault."""
    filters: list[EntryFilter] = []
    for key, entries in (("base", board.bases), ("method", board.methods)):
        for name, entry in entries.items():
            location = (f"{key}s", name, "only")
            if entry.only:
                with reader.faults.catching(location):
                    only = parse_filter(entry.only, where=reader.source.where(location))
                    filters.append(EntryFilter(key, name, location, only))
    return filters


def check_filters(reader: BoardReader, board: BoardConfig, filters: Sequence[EntryFilter], cells: Sequence[Cell]) -> None:
    """Add a fault for each value of a filter that no cell has."""
    if not filters:
        return
    known = [cell.facts for cell in cells]
    # A smoke board has fewer seeds and sizes than its file, and the file's filters may name any of them.
    known += [{**known[0], "seed": str(seed)} for seed in board.seeds]
    known += [{**known[0], "n": str(size)} for size in board.evaluation.sizes]
    for entry in filters:
        with reader.faults.catching(entry.location):
            entry.only.check(known, where=reader.source.where(entry.location))
