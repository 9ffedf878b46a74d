"""The executor and the trackers of `harness run`, looked up by name, with the settings of `--set`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from harness.components import Component, Executor, Tracker
from harness.errors import UserError, nearest

if TYPE_CHECKING:
    from harness.board.components import Resolved

C = TypeVar("C", bound=Component)
TRACK = "HARNESS_TRACK"
"""Variable with the names of trackers, separated by commas, that every run logs to; `--track` replaces them."""


def run_components(
    executor: str | None, track: str | None, settings: Sequence[str]
) -> tuple[Resolved[Executor], tuple[Resolved[Tracker], ...]]:
    """Look up the executor and the trackers, and check that each of them can work.

    Args:
        executor: its name; None for the default one.
        track: names of trackers with commas between them; None for those of $HARNESS_TRACK.
        settings: texts `NAME.KEY=VALUE`.
    Raises: UserError for an unknown name or one that is not used, when no executor is the default, and when a package is absent;
        Faults for wrong settings.
    """
    from harness.measure.named_components import parse_names, parse_settings
    from harness.plugins import registry

    name = executor or registry().default(Executor, where="--executor").name
    chosen = parse_settings(settings, where="--set")
    where = "--track" if track is not None else TRACK
    trackers = parse_names([track if track is not None else os.environ.get(TRACK, "")])
    ready = tuple(_ready(Tracker, tracker, chosen, where) for tracker in trackers)
    if others := sorted(set(chosen) - {name, *trackers}):
        named = f"the executor, which is {name}, nor a tracker of this run ({', '.join(trackers) or 'none'})"
        raise UserError(f"--set {others[0]}: neither {named}; {nearest(others[0], [name, *trackers])}".rstrip("; "))
    return _ready(Executor, name, chosen, "--executor"), ready


def _ready(kind: type[C], name: str, settings: Mapping[str, Mapping[str, object]], where: str) -> Resolved[C]:
    from harness.measure.named_components import resolve

    resolved = resolve(kind, name, settings.get(name, {}), where=where)
    resolved.component.check_packages()
    resolved.component.check_readiness(resolved.settings)
    return resolved
