"""`harness cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import value_completion
from harness.cli.arguments import BoardPath, RunsDir, Smoke, of_same_place
from harness.cli.cell_selection import selected_cells
from harness.cli.output import remark, result

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell

Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILTER",
        help="Cells to stop, e.g. method=ddo,sft-* or base!=edm; several must all hold. [default: all, and the runs themselves]",
        autocompletion=value_completion.filters,
        show_default=False,
    ),
]
Seeds = Annotated[str | None, typer.Option(metavar="SEEDS", help="Some of the board's seeds, e.g. 0,1.")]


def cancel(board: BoardPath, only: Only = None, seeds: Seeds = None, smoke: Smoke = False, runs_dir: RunsDir = None) -> None:
    """Example: harness cancel leaderboards/quickstart --only method=ddo

    Ask the runs of a board to stop, on whatever machine they are: they save checkpoints, and end. Run the board again to go on.
    """
    from harness.board.reading.load import load_board
    from harness.store.cancels import ask
    from harness.store.commands import commands, is_at_work
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    jobs = _jobs(loaded, selected_cells(loaded, only or [], seeds)) if only or seeds is not None else None
    known = commands(runs, loaded.name)
    if not known:
        result(f"no run of {loaded.name} is at work in {runs.root}")
        return
    ask(runs, [command_id for command in known for command_id in (command.id, *command.before)], jobs)
    what = "" if jobs is None else f" with {len(jobs)} of its jobs"
    for command in known:
        if is_at_work(command, runs):
            result(f"asked the run of {command.where} to stop{what}")
        else:
            result(f"the run of {command.where} is dead; jobs of it that are still in a queue will not begin")
    remark(f"they save their state first; what still runs: harness status {of_same_place(board, runs_dir, smoke=smoke)}")


def _jobs(board: Board, cells: Sequence[Cell]) -> list[str]:
    """Return the names of the jobs of cells, and of the bases all of whose cells these are."""
    from harness.run.shared_bases import shared_bases

    chosen = {cell.key for cell in cells}
    others = {cell.base.key for cell in board.cells if cell.key not in chosen and cell.skip_reason is None}
    bases = [f"base {base.full_name}" for base in shared_bases(board, cells) if base.key not in others]
    return [*(cell.name for cell in cells), *bases]
