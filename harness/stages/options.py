"""The options of a job. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.board.components import Resolved
from harness.components import Tracker


@dataclass(frozen=True)
class JobOptions:
    """Options that say how a job runs. None of them changes a result but by rounding.

    Args:
        device: "cpu", "cuda", "cuda:N" or "auto".
        is_deterministic: whether a card uses deterministic kernels alone.
        checkpoint_seconds: seconds between two checkpoints.
        log_every: steps between two logs of a training.
        board: name of the board whose run the job belongs to; listeners get it.
        checks_resume: whether training is restored from a checkpoint once and compared with undisturbed training.
        trackers: what logs the runs of cells and bases.
        devices: how many devices the job uses, each by a process of its own.
        command: id of the command whose job it is: who asks the command to stop asks the job too. "" for none.
    """

    device: str = "auto"
    checkpoint_seconds: float = 30.0
    log_every: int = 100
    board: str = ""
    checks_resume: bool = False
    trackers: tuple[Resolved[Tracker], ...] = ()
    devices: int = 1
    is_deterministic: bool = True
    command: str = ""
