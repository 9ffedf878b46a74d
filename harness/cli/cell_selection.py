"""The cells that `--only` and `--seeds` choose, and those of them that `--fresh` makes anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.board.filters import Filter, parse_filter, seeds_in_range
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.run.fresh import Fresh


def selected_cells(board: Board, only: Sequence[str], seeds: str | None) -> list[Cell]:
    """Return the cells that the options keep. Raises: UserError for what the board does not have."""
    wanted = parse_filter(list(only), where="--only")
    if seeds is not None:
        wanted = wanted & _seed_filter(board, seeds)
    cells = board.select(wanted, where="--only" if seeds is None else "--only, --seeds")
    if not cells:
        raise UserError("--only: no cell of this board matches all of it")
    return cells


def chosen_anew(board: Board, cells: Sequence[Cell], fresh: Sequence[str], *, bases: bool = False, floors: bool = False) -> Fresh:
    """Return what `--fresh` and its companions ask for, out of the chosen cells.

    Raises: UserError for what the board does not have, for no cell at all, and for `--fresh-bases` without `--fresh`.
    """
    from harness.run.fresh import Fresh

    if not fresh:
        if bases:
            raise UserError("--fresh-bases: say with --fresh FILTER whose bases; --fresh 'method=*' is all of them")
        return Fresh(floors=floors)
    chosen = {cell.name for cell in board.select(parse_filter(list(fresh), where="--fresh"), where="--fresh")}
    anew = [cell for cell in cells if cell.name in chosen]
    if not anew:
        raise UserError("--fresh: no cell that --only and --seeds choose matches all of it")
    return Fresh(anew, bases, floors)


def _seed_filter(board: Board, seeds: str) -> Filter:
    """Return the filter of `--seeds`. Raises: UserError that says how to write seeds, with those of the board."""
    if not re.fullmatch(r"\s*[\d*?]+\s*(,\s*[\d*?]+\s*)*", seeds):
        known = sorted({cell.seed for cell in board.cells})
        example = seeds_in_range(seeds, known) or ",".join(map(str, known))
        raise UserError(f"--seeds {seeds}: write seeds with commas between them, without ranges: --seeds {example}")
    return parse_filter(f"seed={seeds}", where="--seeds")
