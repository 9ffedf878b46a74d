"""`harness status --watch`: on a terminal a picture that is drawn again and again, elsewhere a line for each change."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.output import result
from harness.cli.progress import running_line_with_machine
from harness.cli.work_lines import command_lines, running_lines

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.run.states import CellState
    from harness.store.commands import Command
    from harness.store.progress import Progress
    from harness.store.runs_folder import RunsFolder

LOOK_SECONDS, SHARED_LOOK_SECONDS = 1.0, 5.0
"""Seconds between two looks at a folder of this host, and at one that several hosts share."""
SPEAK_SECONDS = 60.0
"""Without a terminal, seconds between two reports of what runs."""


class _View:
    """The cells, processes and runs of a board, as the last look at the folder found them."""

    def __init__(self, board: Board, runs: RunsFolder) -> None:
        from harness.run.states import StatesReader

        self._board, self._runs = board, runs
        self._reader = StatesReader(board, board.cells, runs)
        self._jobs = {cell.name for cell in board.cells}
        self._jobs |= {base.full_name for base in board.bases} | {f"floor/{floor.name}" for floor in board.floors}
        self.states: Sequence[CellState] = ()
        self.running: Sequence[Progress] = ()
        self.commands: Sequence[Command] = ()

    def look(self) -> None:
        from harness.store.commands import commands
        from harness.store.progress import read

        self.states = self._reader.read()
        self.running = [progress for progress in read(self._runs) if progress.job in self._jobs]
        self.commands = commands(self._runs, self._board.name)

    @property
    def is_over(self) -> bool:
        from harness.store.commands import is_at_work

        return not self.running and not any(is_at_work(command, self._runs) for command in self.commands)

    def head(self) -> list[str]:
        from harness.run.states import summary

        return [summary(self.states), *command_lines(self.commands, self._runs)]


def watch_board(board: Board, runs: RunsFolder) -> None:
    """Show how a board goes on, until nothing of it is at work. Raises: KeyboardInterrupt."""
    view = _View(board, runs)
    view.look()
    if sys.stdout.isatty():
        _draw(view, _seconds(runs))
    else:
        _speak(view, _seconds(runs))


def _seconds(runs: RunsFolder) -> float:
    from harness.store.beats import is_shared

    return SHARED_LOOK_SECONDS if is_shared(runs.root) else LOOK_SECONDS


def _draw(view: _View, seconds: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            lines = [*view.head(), *running_lines(view.running)]
            room = max(4, console.size.height - 2)
            more = [f"  and {len(lines) - room} more"] if len(lines) > room else []
            live.update(Text("\n".join([*lines[:room], *more])), refresh=True)
            if view.is_over:
                return
            time.sleep(seconds)
            view.look()


def _speak(view: _View, seconds: float) -> None:
    """Print a line for each cell whose state changes, and now and then what runs."""
    before: dict[str, str] = {}
    spoken = float("-inf")
    while True:
        now = {state.cell.name: state.state + (f" ({state.reason})" if state.reason else "") for state in view.states}
        if not before:
            _print(view.head())
        else:
            _print([f"{name}: {text}" for name, text in now.items() if before[name] != text])
        before = now
        if view.is_over:
            _print([view.head()[0], "nothing runs now"])
            return
        if time.monotonic() - spoken >= SPEAK_SECONDS and view.running:
            spoken = time.monotonic()
            _print([running_line_with_machine(progress) for progress in view.running])
        time.sleep(seconds)
        view.look()


def _print(lines: Sequence[str]) -> None:
    if lines:
        result("\n".join(lines))
        sys.stdout.flush()
