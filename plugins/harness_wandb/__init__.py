"""Tracker `wandb`: runs of Weights & Biases, online or in files that `wandb sync` uploads later."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Tracker, hookimpl
from harness_wandb.settings import WandbConfig

__version__ = "1"


@hookimpl
def harness_trackers() -> Sequence[Tracker]:
    """Provide the tracker."""
    return [
        Tracker(
            "wandb",
            config=WandbConfig,
            smoke={"mode": "offline"},
            build="harness_wandb.runs:WandbRun",
            check_ready="harness_wandb.settings:check",
            summary="Weights & Biases, online or offline",
            packages={"wandb": 'pip install "finetune-harness[wandb]"'},
        )
    ]
