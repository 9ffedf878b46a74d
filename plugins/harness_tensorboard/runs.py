"""Runs as TensorBoard event files, `BOARD/CELL/RUN/events.out.tfevents.…`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from harness.config import Config
from harness.tracking import RunSummary, TrackedRun


class TensorBoardRun:
    """Implements `harness.tracking.RunTracker`. Each log is in the file before the call returns, so that a kill loses none."""

    def __init__(self, config: Config, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter  # which needs the optional package

        self._writer = SummaryWriter(str(run.folder / run.board / run.name.replace("/", "__") / run.id))
        if not run.is_resumed:
            self._text("config", {"tags": dict(run.tags), **run.config})

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface. Steps are the horizontal axis."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self, summary: RunSummary) -> None:
        """See the interface. Final values stand at the last step, apart from the curves."""
        for name, value in summary.metrics.items():
            self._writer.add_scalar(f"final/{name}", value, summary.steps)
        for name, value in summary.costs.items():
            self._writer.add_scalar(f"cost/{name}", value, summary.steps)
        self._text("result", asdict(summary))

    def close(self) -> None:
        """See the interface."""
        self._writer.close()

    def _text(self, name: str, content: Mapping[str, object]) -> None:
        """Show content as JSON. TensorBoard reads text as Markdown, where lines of code begin with four spaces."""
        lines = json.dumps(content, indent=1, default=dict).splitlines()
        self._writer.add_text(name, "\n".join(f"    {line}" for line in lines))
