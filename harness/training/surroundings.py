"""The files that the training loop writes and the functions that it calls. None of them changes a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.training.training_log import TrainingLog

LOG_EVERY = 100
"""Steps between two logs, where the user asks for no other number."""


@dataclass(frozen=True)
class Listener:
    """Functions that the loop calls, for progress and for plugins.

    Args:
        step_logged: called with the step, the number of steps in all, and values by name: the means of the method's scalars since
            the last log, or `curve` at a point of the curve.
        checkpoint_written: called with the step and the folder of a checkpoint, when it has been written completely.
    """

    step_logged: Callable[[int, int, Mapping[str, float]], None] = lambda *_: None
    checkpoint_written: Callable[[int, Path], None] = lambda *_: None


@dataclass(frozen=True)
class Surroundings:
    """The files that the loop writes and the functions that it calls. None of them changes a result.

    Args:
        folder: where checkpoints are written.
        checkpoint_seconds: time between two checkpoints.
        listener: functions that the loop calls.
        log_every: steps between two logs. Only logs and checkpoints check that the loss is finite: a check at each step would
            wait for the device.
        log: the log on disk; None writes none.
    """

    folder: Path
    checkpoint_seconds: float = 30.0
    listener: Listener = Listener()
    log_every: int = LOG_EVERY
    log: TrainingLog | None = None
