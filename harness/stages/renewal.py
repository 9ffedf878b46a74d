"""Make outputs anew: which are outdated, and setting them aside. Nothing is deleted. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.stages import sources
from harness.store.files import set_aside
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder


def is_of_other_code(output: Output, made_by: Sequence[SourceFacts]) -> bool:
    """Return whether an output was made by other code than this, or by several versions of a component.

    An output of unknown code counts as made by other code.
    """
    return not sources.are_alone(made_by, sources.own_of_facts(output.facts))


def set_aside_output(runs: RunsFolder, stage: str, key: str) -> None:
    """Set an output aside, and with it the checkpoints of unfinished work on it. The caller holds the output's lease."""
    for folder in (runs.stage(stage, key), runs.work(stage, key)):
        set_aside_if_there(folder)


def set_aside_if_there(path: Path) -> None:
    """Set a file or folder aside, if there is one."""
    if path.exists():
        set_aside(path, "replaced")
