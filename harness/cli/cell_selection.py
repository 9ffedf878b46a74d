"""The cells that `--only` and `--seeds` choose, and those of them that `--fresh` or `--remeasure` makes anew."""

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


def chosen_anew(
    board: Board,
    cells: Sequence[Cell],
    fresh: Sequence[str],
    *,
    bases: bool = False,
    floors: bool = False,
    remeasure: Sequence[str] = (),
) -> Fresh:
    """Return what `--fresh` and its companions ask for, out of the chosen cells.

    Raises: UserError for what the board does not have, for no cell at all, for `--fresh-bases` without `--fresh`, and for a cell
        that is to be trained and only measured anew.
    """
    from harness.run.fresh import Fresh

    if bases and not fresh:
        raise UserError("--fresh-bases: say with --fresh FILTER whose bases; --fresh 'method=*' is all of them")
    anew, remeasured = _chosen(board, cells, fresh, "--fresh"), _chosen(board, cells, remeasure, "--remeasure")
    if both := {cell.name for cell in anew} & {cell.name for cell in remeasured}:
        raise UserError(f"--remeasure: --fresh makes {min(both)} anew, training and all; choose other cells for one of the two")
    return Fresh(anew, bases, floors, remeasured)


def _chosen(board: Board, cells: Sequence[Cell], filters: Sequence[str], option: str) -> list[Cell]:
    """Return those of the cells that an option's filters choose; none without filters. Raises: UserError when none is left."""
    if not filters:
        return []
    chosen = {cell.name for cell in board.select(parse_filter(list(filters), where=option), where=option)}
    found = [cell for cell in cells if cell.name in chosen]
    if not found:
        raise UserError(f"{option}: no cell that --only and --seeds choose matches all of it")
    return found


def _seed_filter(board: Board, seeds: str) -> Filter:
    """Return the filter of `--seeds`. Raises: UserError that says how to write seeds, with those of the board."""
    if not re.fullmatch(r"\s*[\d*?]+\s*(,\s*[\d*?]+\s*)*", seeds):
        known = sorted({cell.seed for cell in board.cells})
        example = seeds_in_range(seeds, known) or ",".join(map(str, known))
        raise UserError(f"--seeds {seeds}: write seeds with commas between them, without ranges: --seeds {example}")
    return parse_filter(f"seed={seeds}", where="--seeds")
