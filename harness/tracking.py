"""Runs as trackers get them, and the object that a tracker gives to write one of them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class TrackedRun:
    """A cell, or a base that is pretrained, as a run of a tracker.

    Args:
        id: 16 hexadecimal digits. A cell that was killed and goes on keeps its id; one that is made anew gets another.
        board: name of the board.
        name: name of the cell or base, such as `net/fit/s0`.
        config: the method with its settings, the budget and the seed, as JSON values: `method`, `training`, `seed`.
        tags: `board`, `cell`, `seed`, and the `commit` of the harness where one is known.
        folder: where this tracker may write: one folder for all its runs, which exists.
        is_resumed: whether an earlier process has logged to this run.
    """

    id: str
    board: str
    name: str
    config: Mapping[str, object]
    tags: Mapping[str, str]
    folder: Path
    is_resumed: bool = False


@dataclass(frozen=True)
class RunSummary:
    """The end of a run.

    Args:
        status: `done`, `diverged`, `failed` or `skipped`.
        reason: why the cell is not done; else empty.
        steps: steps taken in all.
        metrics: the mean of each column of the board over the evaluation draws; empty for a base.
        costs: the costs of the record, by name.
        facts: hashes and names that say what was measured: `key`, `weights_sha256`, `samples_sha256`, `device`.
    """

    status: str
    reason: str = ""
    steps: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class RunTracker(Protocol):
    """Writes one run. All calls come from one thread, which is not the one that trains; what it raises ends the tracker alone."""

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """Log scalars: losses and others that the method logs, or a point of the curve as `curve`.

        No line of a training comes twice in one run. Steps may go back: a curve can be measured after the training.

        Args:
            step: steps taken. images: training images seen.
        """
        ...

    def finish(self, summary: RunSummary) -> None:
        """Log the final values. Called once, when the cell has its record or the base its weights; `close` follows."""
        ...

    def close(self) -> None:
        """Write what is pending, and end. Called once in each process; without `finish` before it where the cell will go on."""
        ...
