"""The path of a board's folder that its published page names in commands. It is the same on every machine."""

from __future__ import annotations

from pathlib import Path

PROJECT_MARKS = (".git", "pyproject.toml")
"""Entries that the root folder of a project has."""


def published_path(folder: Path) -> str:
    """Return the path from the root of the project that holds the board, or the folder's name where no project holds it.

    A board in a folder called `leaderboards` has the path `leaderboards/NAME`, whatever else stands there.
    """
    absolute = folder.resolve()
    if absolute.parent.name == "leaderboards":
        return f"leaderboards/{absolute.name}"
    for root in absolute.parents:
        if any((root / mark).exists() for mark in PROJECT_MARKS):
            return absolute.relative_to(root).as_posix()
    return absolute.name
