"""The executor and the trackers of `harness run`, by name, with their settings: of `--set`, and of the user's files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from harness.components import Component, Executor, Tracker
from harness.errors import UserError, nearest

if TYPE_CHECKING:
    from harness.board.components import Resolved
    from harness.run.user_files import UserFile

C = TypeVar("C", bound=Component)
TRACK = "HARNESS_TRACK"
"""Variable with the names of trackers, separated by commas, that every run logs to; `--track` replaces them."""


def run_components(
    executor: str | None, track: str | None, settings: Sequence[str], files: Sequence[UserFile] = ()
) -> tuple[Resolved[Executor], tuple[Resolved[Tracker], ...]]:
    """Look up the executor and the trackers, and check that each of them can work.

    Args:
        executor: its name; None for that of the files, or the default one.
        track: names of trackers with commas between them; None for those of $HARNESS_TRACK, or else of the files.
        settings: texts `NAME.KEY=VALUE`.
        files: the user's files, of which an earlier one goes before a later one, and the other arguments before all.
    Raises: UserError for an unknown name or one that is not used, when no executor is the default, and when a package is absent;
        Faults for wrong settings.
    """
    from harness.measure.named_components import parse_names, parse_settings

    name, where = _executor(executor, files)
    chosen = parse_settings(settings, where="--set")
    trackers, tracked_in = _trackers(track, files)
    names = parse_names(trackers)
    ready = tuple(_ready(Tracker, tracker, chosen.get(tracker, {}), tracked_in) for tracker in names)
    if others := sorted(set(chosen) - {name, *names}):
        named = f"the executor, which is {name}, nor a tracker of this run ({', '.join(names) or 'none'})"
        raise UserError(f"--set {others[0]}: neither {named}; {nearest(others[0], [name, *names])}".rstrip("; "))
    merged: dict[str, object] = {}
    for file in reversed(files):
        own = file.config.executors.get(name, {})
        if own:
            _resolved(Executor, name, own, f"{file.path}: [executors.{name}]")  # so that a fault names its file
        merged |= own
    return _ready(Executor, name, {**merged, **chosen.get(name, {})}, where), ready


def _executor(executor: str | None, files: Sequence[UserFile]) -> tuple[str, str]:
    """Return the executor's name, and what names it."""
    from harness.plugins import registry

    named = ((file.config.executor, f"{file.path}: executor") for file in files)
    for name, where in ((executor, "--executor"), *named):
        if name:
            return name, where
    return registry().default(Executor, where="--executor").name, "--executor"


def _trackers(track: str | None, files: Sequence[UserFile]) -> tuple[Sequence[str], str]:
    """Return the names of the trackers, and what names them."""
    if track is not None:
        return [track], "--track"
    if (of_variable := os.environ.get(TRACK)) is not None:
        return [of_variable], TRACK
    return next(((file.config.track, f"{file.path}: track") for file in files if file.config.track is not None), ([], TRACK))


def _ready(kind: type[C], name: str, settings: Mapping[str, object], where: str) -> Resolved[C]:
    resolved = _resolved(kind, name, settings, where)
    resolved.component.check_packages()
    resolved.component.check_readiness(resolved.settings)
    return resolved


def _resolved(kind: type[C], name: str, settings: Mapping[str, object], where: str) -> Resolved[C]:
    from harness.measure.named_components import resolve

    return resolve(kind, name, settings, where=where)
