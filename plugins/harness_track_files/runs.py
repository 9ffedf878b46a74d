"""Runs as files, `BOARD/CELL.jsonl` and `BOARD/CELL.csv`. Each line is on its way to the disk when a call returns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from harness.config import Config
from harness.tracking import RunSummary, TrackedRun


class LinesFile:
    """A file to which lines are added. The first line of a new run replaces what an earlier run of the same cell left.

    Args:
        ending: of the file's name.
    """

    def __init__(self, run: TrackedRun, ending: str) -> None:
        self.path = run.folder / run.board / f"{run.name.replace('/', '__')}{ending}"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.is_new = not (run.is_resumed and self.path.exists())
        if self.is_new:
            self.path.write_bytes(b"")
        else:
            _cut_half_a_line(self.path)

    def add(self, text: str) -> None:
        """Add whole lines."""
        with self.path.open("ab", buffering=0) as file:
            file.write(text.encode())

    def close(self) -> None:
        """Do nothing: each line is written at once."""


class JsonLines(LinesFile):
    """Implements `harness.tracking.RunTracker`: a line for the run, one for each log, and one for the final values."""

    def __init__(self, config: Config, run: TrackedRun) -> None:
        super().__init__(run, ".jsonl")
        if self.is_new:
            self._add({"run": run.id, "tags": run.tags, "config": run.config})

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface."""
        self._add({"step": step, "images": images, "values": values})

    def finish(self, summary: RunSummary) -> None:
        """See the interface."""
        self._add({"final": asdict(summary)})

    def _add(self, content: Mapping[str, object]) -> None:
        self.add(json.dumps(content, default=dict) + "\n")


class Csv(LinesFile):
    """Implements `harness.tracking.RunTracker`: a line for each value. Final values have the names `final/METRIC`."""

    def __init__(self, config: Config, run: TrackedRun) -> None:
        super().__init__(run, ".csv")
        self._images = ""
        if self.is_new:
            self._add([("step", "images", "name", "value")])

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface."""
        self._images = str(images)
        self._add([(str(step), str(images), name, repr(value)) for name, value in values.items()])

    def finish(self, summary: RunSummary) -> None:
        """See the interface."""
        final = {**summary.metrics, **{f"cost/{name}": value for name, value in summary.costs.items()}}
        self._add([(str(summary.steps), self._images, f"final/{name}", repr(value)) for name, value in final.items()])

    def _add(self, rows: list[tuple[str, str, str, str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.add(text.getvalue())


def _cut_half_a_line(path: Path) -> None:
    """Cut what a killed process left after the last whole line."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])
