"""Lines on what is at work, as `harness status` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.cli.progress import running_line_with_machine

if TYPE_CHECKING:
    from harness.store.commands import Command
    from harness.store.progress import Progress
    from harness.store.runs_folder import RunsFolder


def command_lines(known: Sequence[Command], runs: RunsFolder) -> Iterator[str]:
    """Give a line on each run that is at work, or died."""
    from harness.store.commands import is_at_work, log_of

    for command in known:
        log = f"; its output: {log_of(command.id, runs)}" if command.is_detached else ""
        if is_at_work(command, runs):
            yield f"a run is at work: {command.where}, executor {command.executor}, started {command.started}{log}"
        else:
            yield f"a run has died: {command.where}, started {command.started}{log}; run the board again to go on"


def running_lines(running: Sequence[Progress]) -> Iterator[str]:
    """Give lines on what runs now."""
    yield "running now:" if running else "nothing runs now"
    yield from (f"  {running_line_with_machine(progress)}" for progress in running)
