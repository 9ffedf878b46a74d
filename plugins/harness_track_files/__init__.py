"""Trackers `jsonl` and `csv`: one file for each cell, for tools of one's own. They need no package."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Tracker, hookimpl

__version__ = "1"


@hookimpl
def harness_trackers() -> Sequence[Tracker]:
    """Provide the trackers."""
    return [
        Tracker(
            "jsonl",
            build="harness_track_files.runs:JsonLines",
            summary="a file of JSON lines for each cell: the run, its scalars, its final values",
        ),
        Tracker(
            "csv",
            build="harness_track_files.runs:Csv",
            summary="a file of comma-separated values for each cell: step, images, name, value",
        ),
    ]
