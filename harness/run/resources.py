"""The demands of jobs on their machines: who may say them, and whose word goes before whose. No key depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import reduce

from harness.board.board import Board
from harness.board.grids import split_point
from harness.interfaces import Resources

NOTHING = Resources()


@dataclass(frozen=True)
class ResourceLayer:
    """The resources that one place asks for: the command line, a file of the user, or the board.

    Args:
        common: for every job.
        methods: for the cells of a method, by its name in the board; `*` and `?` stand for letters.
        bases: for the job and the cells of a base, by its name in the board, likewise.
    """

    common: Resources = NOTHING
    methods: Mapping[str, Resources] = field(default_factory=dict)
    bases: Mapping[str, Resources] = field(default_factory=dict)

    def of_base(self, base: str) -> Resources:
        """Return what the layer asks for the job of a base."""
        return _named(self.bases, base).over(self.common)

    def of_cell(self, base: str, method: str) -> Resources:
        """Return what the layer asks for a cell: its method's word goes before that of its base."""
        entry = split_point(method)[0]  # of a grid, whose points have the resources of the entry
        return _named(self.methods, method).over(_named(self.methods, entry)).over(self.of_base(base))


def _named(by_name: Mapping[str, Resources], name: str) -> Resources:
    """Return the resources under a name; those of the name itself go before those of patterns, in their order."""
    found = by_name.get(name, NOTHING)
    for pattern, resources in by_name.items():
        if matches(pattern, name):
            found = found.over(resources)
    return found


def matches(pattern: str, name: str) -> bool:
    """Return whether a name is meant by one under `resources`, in which `*` and `?` stand for letters."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


@dataclass(frozen=True)
class ResourceLayers:
    """All layers of a run, of which an earlier one goes before a later one."""

    layers: Sequence[ResourceLayer]

    def of_floor(self) -> Resources:
        """Return what the job of a floor asks for."""
        return _over(layer.common for layer in self.layers)

    def of_base(self, base: str) -> Resources:
        """Return what the job of a base asks for."""
        return _over(layer.of_base(base) for layer in self.layers)

    def of_cell(self, base: str, method: str) -> Resources:
        """Return what the job of a cell asks for."""
        return _over(layer.of_cell(base, method) for layer in self.layers)


def board_layer(board: Board) -> ResourceLayer:
    """Return the layer of a board: the `resources` of its bases and methods."""
    config = board.config
    return ResourceLayer(
        methods={name: entry.resources.resources for name, entry in config.methods.items()},
        bases={name: entry.resources.resources for name, entry in config.bases.items()},
    )


def _over(layers: Iterable[Resources]) -> Resources:
    return reduce(Resources.over, layers, NOTHING)
