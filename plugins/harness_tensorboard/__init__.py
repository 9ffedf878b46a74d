"""Tracker `tensorboard`: event files, which `tensorboard --logdir` shows."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Tracker, hookimpl

__version__ = "1"


@hookimpl
def harness_trackers() -> Sequence[Tracker]:
    """Provide the tracker."""
    return [
        Tracker(
            "tensorboard",
            build="harness_tensorboard.runs:TensorBoardRun",
            summary="event files under runs/trackers/tensorboard, a folder for each run",
            packages={"tensorboard": 'pip install "finetune-harness[tensorboard]"'},
        )
    ]
