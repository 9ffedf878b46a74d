"""Bases that several names of a board share: bases of one network and one pretraining are one training, and one job."""

from __future__ import annotations

from collections.abc import Iterable

from harness.board.bases import Base
from harness.board.board import Board
from harness.board.cells import Cell


def shared_bases(board: Board, cells: Iterable[Cell]) -> list[Base]:
    """Return the bases of these cells, each once, under the first name that the board gives it.

    The name depends on no choice of cells, so that `harness cancel` and `harness status` mean the job that a run started.
    """
    first: dict[str, Base] = {}
    for base in board.bases:
        first.setdefault(base.key, base)
    return list({cell.base.key: first.get(cell.base.key, cell.base) for cell in cells}.values())
