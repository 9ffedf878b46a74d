"""The `only` of bases, methods and samplers: filters that say which of their own cells the board has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.board.cells import Cell
from harness.board.filters import Filter, parse_filter
from harness.board.grids import split_point
from harness.board.reading.evaluation_samplers import sampler_names
from harness.board.reading.reader import BoardReader
from harness.board.reading.yaml_file import Location
from harness.board.schema import BoardConfig, FilterText


@dataclass(frozen=True)
class EntryFilter:
    """The `only` of one base, method or sampler.

    Args:
        key: filter key of the entry: "base", "method" or "sampler".
        names: name of the entry, or of all samplers of a sweep; cells of other bases, methods or samplers all stay.
    """

    key: str
    names: Sequence[str]
    location: Location
    only: Filter

    def keeps(self, cell: Cell) -> bool:
        """Whether the board has the cell, as far as this filter says."""
        return cell.facts[self.key] not in self.names or self.only.keeps(cell.facts)


def entry_filters(reader: BoardReader, board: BoardConfig) -> list[EntryFilter]:
    """Return the filters of all bases, methods and samplers that have one. A text that is no filter is a fault."""
    filters: list[EntryFilter] = []
    for key, names, location, text in _written(board):
        if text:
            with reader.faults.catching(location):
                only = parse_filter(text, where=reader.source.where(location))
                filters.append(EntryFilter(key, names, location, only))
    return filters


def _written(board: BoardConfig) -> Iterator[tuple[str, Sequence[str], Location, FilterText]]:
    """Yield the filter key of each entry that may have a filter, the names that it stands for, and the filter with its place."""
    for name, base in board.bases.items():
        yield "base", [name], ("bases", name, "only"), base.only
    for name, method in board.methods.items():
        yield "method", [name], ("methods", split_point(name)[0], "only"), method.only
    names_of = sampler_names(board.evaluation.samplers)
    for name, sampler in board.evaluation.samplers.items():
        yield "sampler", names_of[name], ("evaluation", "samplers", name, "only"), sampler.only


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
