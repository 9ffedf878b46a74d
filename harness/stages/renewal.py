"""Make outputs anew: set aside those that are to be replaced. Nothing is deleted. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.stages import sources
from harness.store import outputs
from harness.store.files import set_aside
from harness.store.lease import lease
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder


def set_aside_other_code(runs: RunsFolder, stage: str, key: str, made_by: Sequence[SourceFacts]) -> None:
    """Set an output aside unless this code has made it. An output of unknown code counts as made by other code."""
    with lease(runs.lease(stage, key), wait=True):
        found = outputs.find(runs, stage, key)
        if found is not None and not sources.include(sources.of_facts(found.facts), made_by):
            set_aside(found.folder, "replaced")


def set_aside_output(runs: RunsFolder, stage: str, key: str) -> None:
    """Set an output aside, and with it the checkpoints of unfinished work on it. The caller holds the output's lease."""
    for folder in (runs.stage(stage, key), runs.work(stage, key)):
        set_aside_if_there(folder)


def set_aside_if_there(path: Path) -> None:
    """Set a file or folder aside, if there is one."""
    if path.exists():
        set_aside(path, "replaced")
