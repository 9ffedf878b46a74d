"""`harness run`."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath, RunsDir, Smoke
from harness.cli.output import duration, print_json, remark, result
from harness.errors import Faults, UserError, noted

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.board.columns import Floor
    from harness.board.filters import Filter
    from harness.run.run import CellState
    from harness.store.runs_folder import RunsFolder


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    executor: Annotated[str, typer.Option(metavar="NAME", help="Where cells run; harness list executors.")] = "local",
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Seconds between two checkpoints.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Example: harness run leaderboards/quickstart --only method=ddo,sft-* --dry-run

    Run a board's cells that have no record yet, then print its table. What is done is kept: run again after a stop.
    """
    from harness.board.reading.load import load_board
    from harness.cli.prefetch import absent
    from harness.cli.progress import show_progress
    from harness.report.adopt import adopt
    from harness.run.run import RunOptions, missing_floors, run_board, states
    from harness.store.runs_folder import RunsFolder

    loaded = load_board(board, smoke=smoke)
    cells = selected(loaded, only or [], seeds)
    layout = RunsFolder.of(runs_dir, smoke=smoke)
    if keep_published:
        if smoke:
            raise UserError("--keep-published: there are no published records of smoke runs; leave one of the two out")
        remark(f"{adopt(loaded, layout)} published records taken as done")
    check_device(device)
    options = RunOptions(jobs or cores(), executor, device, checkpoint_seconds)
    if dry_run:
        planned = states(loaded, cells, layout)
        floors = missing_floors(loaded, layout)
        _print_plan(planned, floors, options.jobs, as_json)
        if floors or any(state.state in ("to run", "failed") for state in planned):
            for fault in absent(loaded):
                remark(f"absent, and needed to run: {fault}")
        return
    _check_files(loaded, cells)
    with show_progress(layout) as on_event:
        ended = run_board(loaded, cells, layout, options, on_event)
    _print_results(loaded, layout, as_json)
    failed = [f"{state.cell.name}: {state.reason}" for state in ended if state.state == "failed"]
    failed += [f"floor {floor.name}: see the message above" for floor in missing_floors(loaded, layout)]
    for name in failed:
        remark(f"failed: {name}")
    if failed:
        raise typer.Exit(1)


def _check_files(board: Board, cells: Sequence[Cell]) -> None:
    """Raises: Faults, before any work, for all weights that are absent, have another hash, or do not fit, and absent data."""
    from harness.board.bases import Loaded
    from harness.run.run import absent_files

    bases = {cell.base.key: cell.base for cell in cells if cell.skip_reason is None}
    faults: list[str] = []
    for base in bases.values():
        if isinstance(base.origin, Loaded):
            from harness.stages import loading

            with noted(faults):
                loading.check(base, base.origin)
    # The board's own files are needed where something runs; `run_board` looks at them again.
    if faults:
        raise Faults(dict.fromkeys([*faults, *absent_files(board)]))


def check_device(name: str) -> None:
    """Raises: UserError for a device that this machine does not have."""
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and not (kind == "cuda" and index.isdecimal())):
        raise UserError(f"--device {name}: there are auto, cpu, cuda and cuda:N")
    if kind == "cuda":
        import torch

        if int(index or 0) >= torch.cuda.device_count():
            raise UserError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} CUDA devices here; see `harness doctor`")


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
    if as_json:
        print_json([as_content(state) for state in found])
        return
    result(summary(found) + (f"; {len(floors)} {'floor' if len(floors) == 1 else 'floors'} to measure" if floors else ""))
    for state in found:
        result(f"  {state.state:<8}  {state.cell.name}" + (f"   {state.reason}" if state.reason else ""))
    for floor in floors:
        result(f"  {'to run':<8}  floor {floor.name}")
    waiting = [state for state in found if state.state in ("to run", "failed")]
    if not waiting:
        return
    known = [state.seconds for state in waiting if state.seconds is not None]
    if known:
        total = sum(known) / len(known) * len(waiting)
        more = "; floors come on top" if floors else ""
        result(f"about {duration(total / min(jobs, len(waiting)))} with {jobs} jobs, by what such cells took before{more}")
    else:
        result("no estimate: no such cell has run yet")


def summary(found: Sequence[CellState]) -> str:
    """`8 cells: 5 done, 2 to run, 1 skipped`."""
    counts = Counter(state.state for state in found)
    parts = [f"{counts[name]} {name}" for name in ("done", "to run", "diverged", "failed", "skipped") if counts[name]]
    return f"{len(found)} cells: {', '.join(parts)}"


def as_content(state: CellState) -> dict[str, object]:
    """A cell's state for `--json`."""
    return {
        "cell": state.cell.name,
        "state": state.state,
        "reason": state.reason,
        "seconds": state.seconds,
        "key": state.cell.key,
    }


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
