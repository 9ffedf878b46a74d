"""`harness status`."""

from __future__ import annotations

from dataclasses import asdict

from harness.cli.arguments import AsJson, BoardPath, RunsDir, Smoke
from harness.cli.cell_states import state_line
from harness.cli.changed_code import questions
from harness.cli.output import print_json, result
from harness.cli.progress import running_line
from harness.cli.records_elsewhere import records_elsewhere

ORDER = ("to run", "failed", "diverged", "skipped", "done")


def status(board: BoardPath, smoke: Smoke = False, runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """Example: harness status leaderboards/quickstart

    Show how each cell of a board stands, and what runs now.
    """
    from harness.board.reading.load import load_board
    from harness.run.states import states, summary
    from harness.store.progress import read
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    cells, running = states(loaded, loaded.cells, runs), read(runs)
    if as_json:
        print_json({"cells": [state.as_json() for state in cells], "running": [asdict(progress) for progress in running]})
        return
    result(summary(cells))
    for state in sorted(cells, key=lambda state: ORDER.index(state.state)):
        result(state_line(state))
    for line in (*questions(loaded, cells, runs), *records_elsewhere(loaded, loaded.cells, runs)):
        result(line)
    result("running now:" if running else "nothing runs now")
    for progress in running:
        result(f"  {running_line(progress)}")
