"""Runs of Trackio."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout

from harness.tracking import RunSummary, TrackedRun
from harness_trackio.settings import TrackioConfig


class TrackioRun:
    """Implements `harness.tracking.RunTracker`."""

    def __init__(self, config: TrackioConfig, run: TrackedRun) -> None:
        os.environ.setdefault("TRACKIO_DIR", str(run.folder.absolute()))  # read when trackio is imported
        import trackio

        logging.getLogger("httpx").setLevel(logging.WARNING)  # a worker's stderr shows what happens to cells
        with redirect_stdout(_Silent()):
            self._run = trackio.init(
                project=config.project or run.board,
                name=f"{run.name} {run.id[:6]}",  # a cell that is made anew has the same name
                group=run.name.rpartition("/")[0] or run.name,
                space_id=config.space,
                config={**run.config, **run.tags, "run": run.id},
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface."""
        self._run.log({"images": images, **values}, step=step)

    def finish(self, summary: RunSummary) -> None:
        """See the interface. Final values are logged at the last step."""
        final: dict[str, object] = {f"final/{name}": value for name, value in summary.metrics.items()}
        final |= {f"cost/{name}": value for name, value in summary.costs.items()}
        self._run.log({"status": summary.status, **final, **summary.facts}, step=summary.steps)

    def close(self) -> None:
        """See the interface."""
        with redirect_stdout(_Silent()):
            self._run.finish()


class _Silent:
    """Passes over what this thread prints. Other threads keep their stdout."""

    def __init__(self) -> None:
        self._thread, self._stdout = threading.get_ident(), sys.stdout

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._thread else self._stdout.write(text)

    def flush(self) -> None:
        self._stdout.flush()
