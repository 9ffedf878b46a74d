"""`harness status`."""

from __future__ import annotations

from dataclasses import asdict

from harness.cli.arguments import AsJson, BoardPath, RunsDir, Smoke
from harness.cli.output import print_json, result
from harness.cli.progress import running_line


def status(board: BoardPath, smoke: Smoke = False, runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """Example: harness status leaderboards/quickstart

    How each cell of a board stands, and what runs now.
    """
    from harness.board.reading.load import load_board
    from harness.run.states import states, summary
    from harness.store.progress import read
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    layout = RunsFolder.of(runs_dir, smoke=smoke)
    found, running = states(loaded, loaded.cells, layout), read(layout)
    if as_json:
        print_json({"cells": [state.as_json() for state in found], "running": [asdict(one) for one in running]})
        return
    result(summary(found))
    for name in ("to run", "failed", "diverged", "skipped", "done"):
        for state in found:
            if state.state == name:
                result(f"  {name:<8}  {state.cell.name}" + (f"   {state.reason}" if state.reason else ""))
    result("running now:" if running else "nothing runs now")
    for one in running:
        result(f"  {running_line(one)}")
