"""`harness status`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath, RunsDir, Smoke
from harness.cli.cell_states import state_line
from harness.cli.changed_code import questions
from harness.cli.output import print_json, result
from harness.cli.records_elsewhere import records_elsewhere
from harness.cli.work_lines import command_lines, running_lines
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.run.states import CellState
    from harness.store.commands import Command
    from harness.store.runs_folder import RunsFolder

ORDER = ("to run", "failed", "diverged", "skipped", "done")
Watch = Annotated[bool, typer.Option("--watch", help="Go on showing it, until no run of the board is at work.")]


def status(
    board: BoardPath, watch: Watch = False, smoke: Smoke = False, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Example: harness status leaderboards/quickstart --watch

    Show how each cell of a board stands, and what runs now, on whatever machine.
    """
    from harness.board.reading.load import load_board
    from harness.run.states import StatesReader, summary
    from harness.store.commands import commands
    from harness.store.progress import read
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    if watch:
        from harness.cli.watch import watch_board

        if as_json:
            raise UserError("--watch: it prints no JSON; leave --json or --watch out")
        watch_board(loaded, runs)
        return
    cells, running, known = StatesReader(loaded, loaded.cells, runs).read(), read(runs), commands(runs, loaded.name)
    if as_json:
        found = [_as_json(command, runs) for command in known]
        print_json({"cells": [state.as_json() for state in cells], "running": [asdict(each) for each in running], "runs": found})
        return
    at_work = {progress.job for progress in running}
    lines = [summary(cells)]
    lines += [state_line(state, is_running=state.cell.name in at_work) for state in sorted(cells, key=_place)]
    lines += [*questions(loaded, cells, runs), *records_elsewhere(loaded, loaded.cells, runs)]
    lines += [*command_lines(known, runs), *running_lines(running)]
    result("\n".join(lines))
    sys.stdout.flush()


def _place(state: CellState) -> int:
    return ORDER.index(state.state)


def _as_json(command: Command, runs: RunsFolder) -> dict[str, object]:
    from harness.store.commands import is_at_work

    facts = {name: value for name, value in asdict(command).items() if name not in ("keys", "before")}
    return {**facts, "is_at_work": is_at_work(command, runs)}
