"""A board that was read and checked, with everything that a run and a report need to know about it. Picklable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.board.bases import Base
from harness.board.cells import Cell
from harness.board.chosen_file import Chosen
from harness.board.columns import Column, Floor
from harness.board.components import Resolved
from harness.board.filters import Filter
from harness.board.grids import MethodGrid
from harness.board.remarks import remarks_on, search_remarks
from harness.board.samplers import EvaluationSampler
from harness.board.schema import BoardConfig
from harness.components import Dataset


@dataclass(frozen=True)
class Board:
    """A checked board.

    Args:
        name: name of the board's folder.
        config: the file's settings, as they are written even where the board is that of a smoke run. Each point of a grid is
            a method there.
        bases: the bases that have cells; a base of several seeds stands there once for each.
        cells: all cells in the order of the file, skipped ones included: by number of samples, sampler, base, method, seed.
        floors: one for each number of samples and each column.
        grids: the entries of `methods` that are several rows each.
        chosen: the entries of `methods` that have settings from searches.
        is_smoke: whether this is the small version that `--smoke` runs.
        claim_lines: the line of board.yaml on which each claim of the findings stands, in their order.
        idle_settings: a remark on each setting that is written and changes nothing.
    """

    name: str
    folder: Path
    config: BoardConfig
    dataset: Resolved[Dataset]
    bases: tuple[Base, ...]
    cells: tuple[Cell, ...]
    columns: tuple[Column, ...]
    floors: tuple[Floor, ...]
    is_smoke: bool
    grids: tuple[MethodGrid, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    claim_lines: tuple[int, ...] = ()
    idle_settings: tuple[str, ...] = ()

    @cached_property
    def samplers(self) -> tuple[EvaluationSampler, ...]:
        """The samplers of the evaluation that have cells; none where each base's own sampler draws what is measured."""
        rows = {id(cell.row): cell.row for cell in self.cells}.values()
        return tuple({row.sampled_with.name: row.sampled_with for row in rows if row.sampled_with is not None}.values())

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that any row has, in the order of the cells."""
        return tuple(dict.fromkeys(cell.seed for cell in self.cells))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on what the board's user should know and what is no fault."""
        of_searches = (remark for chosen in self.chosen for remark in chosen.remarks)
        return (*self.idle_settings, *of_searches, *remarks_on(self.cells), *search_remarks(self.config))

    @property
    def bases_by_name(self) -> dict[str, list[Base]]:
        """The bases of each name, in the order of the board: one, or those of several seeds in the order of the cells."""
        by_name: dict[str, list[Base]] = {}
        for base in self.bases:
            by_name.setdefault(base.name, []).append(base)
        return by_name

    @property
    def named_bases(self) -> tuple[Base, ...]:
        """A base of each name, in the order of the board: of several seeds the first."""
        return tuple(bases[0] for bases in self.bases_by_name.values())

    def select(self, only: Filter, *, where: str = "--only") -> list[Cell]:
        """Return the cells that a filter keeps. Raises: UserError for a value that no cell has."""
        only.check([cell.facts for cell in self.cells], where=where)
        return [cell for cell in self.cells if only.keeps(cell.facts)]
