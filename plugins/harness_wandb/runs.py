"""Runs of Weights & Biases."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from harness.tracking import RunSummary, TrackedRun
from harness_wandb.process_hooks import hooks_kept
from harness_wandb.settings import WandbConfig

LONGEST_TAG = 64


class WandbRun:
    """Implements `harness.tracking.RunTracker`.

    Steps are a value of their own, `step`, and the axis of all others: wandb's own counter cannot go back, and the points of a
    curve can come after the losses of later steps.
    """

    def __init__(self, config: WandbConfig, run: TrackedRun) -> None:
        import wandb  # the optional package

        logging.getLogger("wandb").propagate = False  # it has files of its own, and tells a worker's stderr each of its steps
        base, _, rest = run.name.partition("/")
        with hooks_kept():
            self._run = wandb.init(
                project=config.project or os.environ.get("WANDB_PROJECT") or run.board,
                entity=config.entity,
                id=run.id,
                name=run.name,
                group=f"{base}/{rest.rpartition('/')[0]}" if rest else base,
                job_type="cell" if rest else "base",
                tags=[f"{name}:{value}"[:LONGEST_TAG] for name, value in run.tags.items() if value],
                config={**run.config, **run.tags},
                dir=str(run.folder),
                mode="online" if config.is_online else "offline",
                resume="allow",
                reinit="create_new",  # a base and a cell can be open at once
                settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True),
            )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface."""
        self._run.log({"step": step, "images": images, **values})

    def finish(self, summary: RunSummary) -> None:
        """See the interface. Final values are the summary of the run."""
        final: dict[str, object] = {f"final/{name}": value for name, value in summary.metrics.items()}
        final |= {f"cost/{name}": value for name, value in summary.costs.items()}
        self._run.summary.update({"status": summary.status, "reason": summary.reason, **final, **summary.facts})

    def close(self) -> None:
        """See the interface."""
        self._run.finish()
