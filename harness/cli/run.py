"""`harness run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath, Device, RunsDir, Smoke
from harness.cli.cell_selection import selected_cells
from harness.cli.output import print_json, remark, result
from harness.components import Executor
from harness.errors import UserError
from harness.process import devices
from harness.process.environment import cores
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.cli.run_plan import RunPlan
    from harness.run.start import RunOptions


Only = Annotated[
    list[str] | None,
    typer.Option(metavar="FILTER", help="Cells to run, e.g. method=ddo,sft-* or base!=edm; several must all hold."),
]
Seeds = Annotated[str | None, typer.Option(metavar="SEEDS", help="Some of the board's seeds, e.g. 0,1.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run, and how long it may take.")]
KeepPublished = Annotated[
    bool,
    typer.Option(
        "--keep-published", help="Copy the board's published records, where current, into the runs folder: they count as done."
    ),
]
Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Cells at once. [default: cores]", show_default=False)]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Where cells run; see harness list executors. [default: the executor that a plugin marks as the default]",
    ),
]
CheckpointSeconds = Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Seconds between two checkpoints.")]
LogEvery = Annotated[int, typer.Option(min=1, metavar="STEPS", help="Steps of training between two logs.")]


def run(
    board: BoardPath,
    only: Only = None,
    seeds: Seeds = None,
    dry_run: DryRun = False,
    smoke: Smoke = False,
    keep_published: KeepPublished = False,
    jobs: Jobs = None,
    runs_dir: RunsDir = None,
    device: Device = "auto",
    executor: ExecutorName = None,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    log_every: LogEvery = 100,
    as_json: AsJson = False,
) -> None:
    """Example: harness run leaderboards/quickstart --only method=ddo,sft-* --dry-run

    Run a board's cells that have no record yet, then print its table. What is done is kept: run again after a stop.
    """
    from harness.board.reading.load import load_board

    loaded = load_board(board, smoke=smoke)
    cells = selected_cells(loaded, only or [], seeds)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    if keep_published and smoke:
        raise UserError("--keep-published: there are no published records of smoke runs; leave one of the two out")
    options = _options(jobs, executor, device, checkpoint_seconds, log_every)
    if dry_run:
        _print_plan(_plan(loaded, cells, runs, options.jobs, keep_published=keep_published), loaded, as_json)
    else:
        if keep_published:
            _keep_published(loaded, runs)
        _run(loaded, cells, runs, options, as_json)


def _options(jobs: int | None, executor: str | None, device: str, checkpoint_seconds: float, log_every: int) -> RunOptions:
    """Fill defaults in. Raises: UserError for a device that is not here, or when no installed executor is the default."""
    from harness.plugins import registry
    from harness.run.start import RunOptions

    devices.check(device)
    executor = executor or registry().default(Executor, where="--executor").name
    return RunOptions(jobs or cores(), executor, device, checkpoint_seconds, log_every)


def _keep_published(board: Board, runs: RunsFolder) -> None:
    """Copy published records into the runs folder, where later runs find them too."""
    from harness.report.adopt import adopt

    remark(f"{adopt(board, runs)} published records copied into {runs.root} and taken as done")


def _plan(board: Board, cells: Sequence[Cell], runs: RunsFolder, jobs: int, *, keep_published: bool) -> RunPlan:
    """Return the plan of a run. Nothing is written: published records count as done without being copied."""
    from harness.cli.run_plan import RunPlan, with_published
    from harness.report.adopt import adoptable
    from harness.run.states import missing_floors, states

    plan = RunPlan(states(board, cells, runs), missing_floors(board, runs), jobs)
    if not keep_published:
        return plan
    published = adoptable(board, runs)
    remark(f"{len(published)} published records would be copied into {runs.root} and taken as done")
    return with_published(plan, published)


def _print_plan(plan: RunPlan, board: Board, as_json: bool) -> None:
    from harness.run.needs import Needs

    if as_json:
        print_json([state.as_json() for state in plan.states])
    else:
        for line in plan.lines():
            result(line)
    to_run = tuple(state.cell for state in plan.waiting)
    for fault in Needs(board, to_run, tuple(plan.floors)).absent_files():
        remark(f"absent, and needed to run: {fault}")


def _run(board: Board, cells: Sequence[Cell], runs: RunsFolder, options: RunOptions, as_json: bool) -> None:
    """Run the cells and print the table. Raises: typer.Exit with 1 when a cell or a floor failed."""
    from harness.cli.progress import show_progress
    from harness.run.start import run_board
    from harness.run.states import missing_floors

    with show_progress(runs) as on_event:
        states = run_board(board, cells, runs, options, on_event)
    _print_results(board, runs, as_json)
    failed = [f"{state.cell.name}: {state.reason}" for state in states if state.state == "failed"]
    failed += [f"floor {floor.name}: see the message above" for floor in missing_floors(board, runs)]
    for failure in failed:
        remark(f"failed: {failure}")
    if failed:
        raise typer.Exit(1)


def _print_results(board: Board, runs: RunsFolder, as_json: bool) -> None:
    from harness.report import formats
    from harness.report.render import render_runs

    rendered = render_runs(board, runs)
    to_text = formats.as_json if as_json else formats.markdown
    result(to_text(rendered.table).rstrip())
    if board.is_smoke:
        remark("a smoke run, with tiny budgets, networks and samplers: these numbers mean nothing")
    written = rendered.write(runs.board(board.name))
    for path in written.paths:
        remark(f"wrote {path}")
    for line in written.undrawn:
        remark(line)
