"""`harness run`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath, RunsDir, Smoke
from harness.cli.output import duration, print_json, remark, result
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.board.columns import Floor
    from harness.board.filters import Filter
    from harness.run.states import CellState
    from harness.store.runs_folder import RunsFolder


def run(
    board: BoardPath,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FILTER", help="Cells to run, e.g. method=ddo,sft-* or base!=edm; several must all hold."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="SEEDS", help="Some of the board's seeds, e.g. 0,1.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and how long it may take.")] = False,
    smoke: Smoke = False,
    keep_published: Annotated[
        bool, typer.Option("--keep-published", help="Count the board's published records, where current, as done.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Cells at once. [default: cores]", show_default=False)
    ] = None,
    runs_dir: RunsDir = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, or auto.")] = "auto",
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where cells run; harness list executors. [default: the default executor]", show_default=False
        ),
    ] = None,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Seconds between two checkpoints.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Example: harness run leaderboards/quickstart --only method=ddo,sft-* --dry-run

    Run a board's cells that have no record yet, then print its table. What is done is kept: run again after a stop.
    """
    from harness.board.reading.load import load_board
    from harness.cli.progress import show_progress
    from harness.process import devices
    from harness.process.environment import cores
    from harness.report.adopt import adopt
    from harness.run.needs import Needs
    from harness.run.start import RunOptions, run_board
    from harness.run.states import missing_floors, states
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    cells = selected(loaded, only or [], seeds)
    layout = RunsFolder.of(runs_dir, smoke=smoke)
    if keep_published:
        if smoke:
            raise UserError("--keep-published: there are no published records of smoke runs; leave one of the two out")
        remark(f"{adopt(loaded, layout)} published records taken as done")
    devices.check(device)
    options = RunOptions(jobs or cores(), executor, device, checkpoint_seconds)
    if dry_run:
        planned = states(loaded, cells, layout)
        floors = missing_floors(loaded, layout)
        _print_plan(planned, floors, options.jobs, as_json)
        to_run = tuple(state.cell for state in planned if state.needs_a_run)
        for fault in Needs(loaded, to_run, tuple(floors)).absent_files():
            remark(f"absent, and needed to run: {fault}")
        return
    with show_progress(layout) as on_event:
        ended = run_board(loaded, cells, layout, options, on_event)
    _print_results(loaded, layout, as_json)
    failed = [f"{state.cell.name}: {state.reason}" for state in ended if state.state == "failed"]
    failed += [f"floor {floor.name}: see the message above" for floor in missing_floors(loaded, layout)]
    for name in failed:
        remark(f"failed: {name}")
    if failed:
        raise typer.Exit(1)


def selected(board: Board, only: Sequence[str], seeds: str | None) -> list[Cell]:
    """The cells that --only and --seeds keep. Raises: UserError for what the board does not have."""
    from harness.board.filters import parse_filter

    chosen = parse_filter(list(only), where="--only")
    if seeds is not None:
        chosen = chosen & _seed_filter(board, seeds)
    cells = board.select(chosen, where="--only" if seeds is None else "--only, --seeds")
    if not cells:
        raise UserError("--only: no cell of this board matches all of it")
    return cells


def _seed_filter(board: Board, seeds: str) -> Filter:
    """Raises: UserError that says how to write seeds, with the board's."""
    from harness.board.filters import listed, parse_filter

    if not re.fullmatch(r"\s*[\d*?]+\s*(,\s*[\d*?]+\s*)*", seeds):
        known = sorted({cell.seed for cell in board.cells})
        meant = listed(seeds, known) or ",".join(map(str, known))
        raise UserError(f"--seeds {seeds}: write seeds with commas between them, without ranges: --seeds {meant}")
    return parse_filter(f"seed={seeds}", where="--seeds")


def _print_plan(found: Sequence[CellState], floors: Sequence[Floor], jobs: int, as_json: bool) -> None:
    from harness.run.states import summary

    if as_json:
        print_json([state.as_json() for state in found])
        return
    result(summary(found) + (f"; {len(floors)} {'floor' if len(floors) == 1 else 'floors'} to measure" if floors else ""))
    for state in found:
        result(f"  {state.state:<8}  {state.cell.name}" + (f"   {state.reason}" if state.reason else ""))
    for floor in floors:
        result(f"  {'to run':<8}  floor {floor.name}")
    waiting = [state for state in found if state.needs_a_run]
    if not waiting:
        return
    known = [state.seconds for state in waiting if state.seconds is not None]
    if known:
        total = sum(known) / len(known) * len(waiting)
        more = "; floors come on top" if floors else ""
        result(f"about {duration(total / min(jobs, len(waiting)))} with {jobs} jobs, by what such cells took before{more}")
    else:
        result("no estimate: no such cell has run yet")


def _print_results(board: Board, layout: RunsFolder, as_json: bool) -> None:
    from harness.report.formats import as_json as table_json
    from harness.report.formats import markdown
    from harness.report.render import render_runs

    rendered = render_runs(board, layout)
    result((table_json if as_json else markdown)(rendered.table).rstrip())
    if board.is_smoke:
        remark("a smoke run, with tiny budgets, networks and samplers: these numbers mean nothing")
    for path in rendered.write(layout.board(board.name)):
        remark(f"wrote {path}")
