"""The bases that cells wait for, and how long their pretraining may take. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from harness.board.bases import Base, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.store import outputs
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class PendingBase:
    """A base, or an earlier step of its pretraining, that a run would train.

    Args:
        seconds: what other seeds of the base took in the mean, in the same runs folder; None where none is trained.
    """

    base: Base
    seconds: float | None


def pending_bases(
    board: Board, cells: Iterable[Cell], runs: RunsFolder, *, anew: bool = False, there: Collection[str] = ()
) -> list[PendingBase]:
    """Return the trainings of bases that a run of these cells begins with, those of samplers' bases included.

    Args:
        cells: that would run.
        anew: whether the bases are made anew.
        there: keys of bases that the runs folder will have.
    """
    seconds = _seconds_by_step(board, runs)
    rows = {id(cell.row): cell.row for cell in cells}.values()
    waiting = [base for row in rows for base in (row.base, *row.sampler.bases)]
    found: dict[str, PendingBase] = {}
    while waiting:
        base = waiting.pop(0)
        if base.key in found or not isinstance(base.origin, Pretrained):
            continue
        waiting += base.origin.sampler.bases
        if not anew and (base.key in there or outputs.find_facts(runs, "base", base.key) is not None):
            continue
        took = seconds.get(_step(base))
        found[base.key] = PendingBase(base, statistics.fmean(took) if took else None)
        if base.origin.after is not None:
            waiting.append(base.origin.after)
    return list(found.values())


_Step = tuple[str, int]
"""The name of a base, and the number of steps of its pretraining."""


def _step(base: Base) -> _Step:
    return base.name, len(base.origin.steps)


def _seconds_by_step(board: Board, runs: RunsFolder) -> dict[_Step, list[float]]:
    """Return what the trained bases of the board took, those of the earlier steps included."""
    took: dict[str, tuple[_Step, float]] = {}
    for base in _with_steps(board.bases):
        facts = outputs.find_facts(runs, "base", base.key) or {}
        if isinstance(seconds := facts.get("seconds"), float):
            took[base.key] = _step(base), seconds
    found: dict[_Step, list[float]] = {}
    for step, seconds in took.values():
        found.setdefault(step, []).append(seconds)
    return found


def _with_steps(bases: Iterable[Base]) -> Iterator[Base]:
    for base in bases:
        yield base
        yield from (step.after for step in base.origin.steps if step.after is not None)
