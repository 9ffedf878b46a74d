"""The bases that cells wait for, and how long their pretraining may take. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.board.bases import Base, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.run.fresh import bases_of
from harness.store import outputs
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class PendingBase:
    """A base, or an earlier step of its pretraining, that a run would train.

    Args:
        seconds: what other seeds of the base took in the mean, here or as published; None where none is trained.
    """

    base: Base
    seconds: float | None


def pending_bases(
    board: Board,
    cells: Iterable[Cell],
    runs: RunsFolder,
    *,
    anew: bool = False,
    there: Collection[str] = (),
    took: Mapping[str, float] = MappingProxyType({}),
) -> list[PendingBase]:
    """Return the trainings of bases that a run of these cells begins with, those of samplers' bases included.

    Args:
        cells: that would run.
        anew: whether the bases are made anew.
        there: keys of bases that the runs folder will have.
        took: seconds of trainings elsewhere, by key.
    """
    seconds = _seconds_by_step(board, runs, took)

    def is_pending(base: Base) -> bool:
        is_there = base.key in there or outputs.find_facts(runs, "base", base.key) is not None
        return isinstance(base.origin, Pretrained) and (anew or not is_there)

    pending = [base for base in bases_of(cells, goes_back=is_pending) if is_pending(base)]
    return [PendingBase(base, statistics.fmean(each) if (each := seconds.get(_step(base))) else None) for base in pending]


def waited_for(cell: Cell, pending: Iterable[PendingBase]) -> list[PendingBase]:
    """Return those of the trainings that a cell waits for: not an earlier step of a base that is trained to its end."""
    trainings = list(pending)
    to_train = {each.base.key for each in trainings}
    needed = {base.key for base in bases_of([cell], goes_back=lambda base: base.key in to_train)}
    return [each for each in trainings if each.base.key in needed]


_Step = tuple[str, int]
"""The name of a base, and the number of steps of its pretraining."""


def _step(base: Base) -> _Step:
    return base.name, len(base.origin.steps)


def _seconds_by_step(board: Board, runs: RunsFolder, took: Mapping[str, float]) -> dict[_Step, list[float]]:
    """Return what the trained bases of the board took, those of the earlier steps included."""
    found: dict[_Step, dict[str, float]] = {}  # by key: several names may share one training, and seeds one step
    for base in _with_steps(board.bases):
        facts = outputs.find_facts(runs, "base", base.key) or {}
        if isinstance(seconds := facts.get("seconds", took.get(base.key)), float):
            found.setdefault(_step(base), {})[base.key] = seconds
    return {step: list(seconds.values()) for step, seconds in found.items()}


def _with_steps(bases: Iterable[Base]) -> Iterator[Base]:
    for base in bases:
        yield base
        yield from (step.after for step in base.origin.steps if step.after is not None)
