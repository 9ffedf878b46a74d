"""Make outputs anew: set aside those that are to be replaced. Nothing is deleted. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.stages import sources
from harness.store import outputs
from harness.store.files import set_aside
from harness.store.lease import lease
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder


def set_aside_other_code(runs: RunsFolder, stage: str, key: str, made_by: Sequence[SourceFacts]) -> None:
    """Set an output aside unless this code, and no other of the same components, has made it.

    An output of unknown code counts as made by other code.
    """
    set_aside_where(runs, stage, key, lambda found: not sources.are_alone(made_by, sources.own_of_facts(found.facts)))


def set_aside_where(runs: RunsFolder, stage: str, key: str, is_outdated: Callable[[Output], bool]) -> None:
    """Set an output aside if it is there, undamaged, and outdated."""
    with lease(runs.lease(stage, key), wait=True):
        found = outputs.find(runs, stage, key)
        if found is not None and is_outdated(found):
            set_aside(found.folder, "replaced")


def set_aside_output(runs: RunsFolder, stage: str, key: str) -> None:
    """Set an output aside, and with it the checkpoints of unfinished work on it. The caller holds the output's lease."""
    for folder in (runs.stage(stage, key), runs.work(stage, key)):
        set_aside_if_there(folder)


def set_aside_if_there(path: Path) -> None:
    """Set a file or folder aside, if there is one."""
    if path.exists():
        set_aside(path, "replaced")
