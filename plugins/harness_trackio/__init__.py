"""Tracker `trackio`: runs of Trackio, in a local database that `trackio show` shows."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Tracker, hookimpl
from harness_trackio.settings import TrackioConfig

__version__ = "1"


@hookimpl
def harness_trackers() -> Sequence[Tracker]:
    """Provide the tracker."""
    return [
        Tracker(
            "trackio",
            config=TrackioConfig,
            build="harness_trackio.runs:TrackioRun",
            summary="Trackio, in a database under runs/trackers/trackio, or in a Space of Hugging Face",
            packages={"trackio": 'pip install "finetune-harness[trackio]"'},
        )
    ]
