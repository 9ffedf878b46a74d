"""A run and its end, as jobs give them to trackers."""

from __future__ import annotations

from pathlib import Path

from harness.tracking import RunSummary, TrackedRun

SUMMARY = RunSummary("done", "", 200, {"fid[cnn]": 2.5}, {"steps": 200.0}, {"key": "k" * 24})
CONFIG: dict[str, object] = {"method": {"name": "fit", "settings": {"lr": 0.1}}, "training": {"images": 12800}, "seed": 0}


def a_run(folder: Path, *, is_resumed: bool = False, name: str = "net/fit/s0") -> TrackedRun:
    """Return the run of a cell of the board `rings`. folder: of the tracker."""
    tags = {"board": "rings", "cell": name, "seed": "0", "commit": "0123456789ab"}
    return TrackedRun("0123456789abcdef", "rings", name, CONFIG, tags, folder, is_resumed)
