"""`harness run`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import detached, value_completion
from harness.cli.arguments import AsJson, BoardPath, RunDevice, RunsDir, Smoke, of_same_place
from harness.cli.cell_selection import chosen_anew, selected_cells
from harness.cli.changed_code import questions
from harness.cli.dry_run import DryRun, estimate_card, plan
from harness.cli.output import remark, result
from harness.cli.records_elsewhere import records_elsewhere
from harness.cli.run_plan import copied_of, counted_bases
from harness.cli.run_settings import run_settings, unused_resources
from harness.errors import UserError
from harness.process import stop
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.run.fresh import Fresh
    from harness.run.start import RunOptions
    from harness.run.states import CellState


Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILTER",
        help="Cells to run, e.g. method=ddo,sft-* or base!=edm; several must all hold.",
        autocompletion=value_completion.filters,
    ),
]
Seeds = Annotated[str | None, typer.Option(metavar="SEEDS", help="Some of the board's seeds, e.g. 0,1.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Say what would run, what it takes, and what is missing.")]
Rehearse = Annotated[
    bool,
    typer.Option(
        "--rehearse",
        help="Like --dry-run; also compare networks with the lists of published tensors, and take each method's steps without "
        "values.",
    ),
]
CardName = Annotated[
    str | None,
    typer.Option(
        "--card",
        metavar="NAME",
        help="With --dry-run or --rehearse: estimate memory and hours on a card, e.g. h100, a100, v100, rtx-4090, here.",
    ),
]
FreshFilter = Annotated[
    list[str] | None,
    typer.Option(
        "--fresh",
        metavar="FILTER",
        help="Make these cells anew, e.g. method=ddo, though they are done; what they had is set aside, and nothing is deleted.",
        autocompletion=value_completion.filters,
    ),
]
FreshBases = Annotated[bool, typer.Option("--fresh-bases", help="With --fresh: make the bases of these cells anew too.")]
FreshFloors = Annotated[bool, typer.Option("--fresh-floors", help="Measure the board's floors anew.")]
Remeasure = Annotated[
    list[str] | None,
    typer.Option(
        "--remeasure",
        metavar="FILTER",
        help="Measure these cells anew from the weights and samples that they have, e.g. after an edit of a metric.",
        autocompletion=value_completion.filters,
    ),
]
KeepPublished = Annotated[
    bool,
    typer.Option(
        "--keep-published", help="Copy published records and bases, where current, into the runs folder: they count as done."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Cells at once. [default: harness.toml, or the number of CUDA cards, or of cores on a CPU; all of them in a queue]",
        show_default=False,
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Devices of each cell: a process for each, which share its batches and samples. [default: harness.toml; in a queue, "
        "the cards that a job asks for; or 1]",
        show_default=False,
    ),
]
ExecutorName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Where cells run; see harness list executors. [default: harness.toml, or local]",
        show_default=False,
        autocompletion=value_completion.names_of("executor"),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME.KEY=VALUE",
        help="A setting of the executor, or of a tracker.",
        autocompletion=value_completion.settings_of("executor", "tracker"),
    ),
]
AskedResources = Annotated[
    list[str] | None,
    typer.Option(
        "--resources", metavar="KEY=VALUE", help="What each job asks of its machine: gpus=1,cpus=4,memory_gib=30,hours=12."
    ),
]
Track = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Log the runs of cells, e.g. tensorboard,wandb; see harness list trackers. "
        "[default: $HARNESS_TRACK, harness.toml, or none]",
        autocompletion=value_completion.names_of("tracker", with_commas=True),
        show_default=False,
    ),
]
CheckpointSeconds = Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="Seconds between two checkpoints.")]
Detach = Annotated[
    bool, typer.Option("--detach", help="Return when the run has begun; it goes on without the terminal (see status, cancel).")
]
Beside = Annotated[
    bool,
    typer.Option("--beside", help="Work beside a run of the same cells that is at work, and do not follow it to its end."),
]
Collect = Annotated[
    bool, typer.Option("--collect", help="Run nothing: note which jobs have died, and print the table of the records so far.")
]
LogEvery = Annotated[int, typer.Option(min=1, metavar="STEPS", help="Steps of training between two logs.")]


def run(
    board: BoardPath,
    only: Only = None,
    seeds: Seeds = None,
    dry_run: DryRunFlag = False,
    rehearse: Rehearse = False,
    card: CardName = None,
    smoke: Smoke = False,
    keep_published: KeepPublished = False,
    fresh: FreshFilter = None,
    fresh_bases: FreshBases = False,
    fresh_floors: FreshFloors = False,
    remeasure: Remeasure = None,
    jobs: Jobs = None,
    runs_dir: RunsDir = None,
    device: RunDevice = None,
    devices: Devices = None,
    executor: ExecutorName = None,
    settings: Settings = None,
    resources: AskedResources = None,
    track: Track = None,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    log_every: LogEvery = 100,
    detach: Detach = False,
    beside: Beside = False,
    collect: Collect = False,
    as_json: AsJson = False,
) -> None:
    """Example: harness run leaderboards/quickstart --only 'method=ddo,sft-*' --dry-run

    Run a board's cells that have no record yet, then print its table. What is done is kept: run again after a stop.
    """
    from harness.board.reading.load import load_board
    from harness.run.start import RunOptions

    parent = detached.parent()
    if detach and parent is None:
        if dry_run or rehearse or collect:
            raise UserError("--detach: --dry-run, --rehearse and --collect run nothing; leave one of the two out")
        detached.start(of_same_place(board, runs_dir, smoke=smoke), RunsFolder.of(runs_dir, smoke=smoke))
    dry = {"--dry-run": dry_run, "--rehearse": rehearse, "--keep-published": keep_published}
    renewing = {"--fresh": fresh, "--fresh-bases": fresh_bases, "--fresh-floors": fresh_floors, "--remeasure": remeasure}
    _check_collects_only(collect, {**dry, **renewing})
    if card is not None and not (dry_run or rehearse):
        raise UserError("--card: an estimate is for a card, and a run is not: add --dry-run or --rehearse")
    loaded = load_board(board, smoke=smoke)
    cells = selected_cells(loaded, only or [], seeds)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    if collect:
        _collect(loaded, cells, runs, as_json)
        return
    if keep_published and smoke:
        raise UserError("--keep-published: there are no published records of smoke runs; leave one of the two out")
    how = run_settings(executor, track, settings or [], jobs=jobs, device=device, devices=devices, resources=resources or [])
    options = RunOptions(
        how.jobs, how.executor, how.device, checkpoint_seconds, log_every, how.trackers, how.resources, how.devices
    )
    anew = chosen_anew(loaded, cells, fresh or [], bases=fresh_bases, floors=fresh_floors, remeasure=remeasure or [])
    for line in (*how.remarks, *unused_resources(loaded), *loaded.remarks):
        remark(line)
    for line in [] if keep_published else records_elsewhere(loaded, cells, runs):
        remark(line)
    if dry_run or rehearse:
        asked = DryRun(as_json, rehearse, estimate_card(card, options.device))
        asked.show(plan(loaded, cells, anew, runs, options.jobs, keep_published=keep_published), loaded, cells, runs, anew)
    else:
        if keep_published:
            _keep_published(loaded, cells, runs, anew)
        follows = not (beside or fresh or fresh_floors or remeasure)
        _run(loaded, cells, anew, runs, options, _Ways(as_json, follows, parent))


def _check_collects_only(collect: bool, options: Mapping[str, object]) -> None:
    """Check that `--collect` comes without options that it would leave without effect. Raises: UserError that names them."""
    if collect and (given := [name for name, value in options.items() if value]):
        raise UserError(f"--collect runs nothing, and only writes down what is there: leave out {', '.join(given)}")


@dataclass(frozen=True)
class _Ways:
    """How a run shows itself.

    Args:
        as_json: whether its table is JSON.
        follows: whether it follows another run of its cells.
        parent: the command that waits for its begin.
    """

    as_json: bool
    follows: bool
    parent: detached.Parent | None


def _keep_published(board: Board, cells: Sequence[Cell], runs: RunsFolder, anew: Fresh) -> None:
    """Copy published records, and bases of these cells, into the runs folder, where later runs find them too.

    Raises: UserError for a copy that is to be measured anew and cannot be; nothing is copied then.
    """
    from harness.report import adopt_bases
    from harness.report.adopt import adopt, adoptable
    from harness.run.fresh import check_measurable

    check_measurable(copied_of(anew.remeasured, adoptable(board, runs)), runs)
    for line in adopt_bases.mismatches(board, cells, runs):
        remark(line)
    if bases := adopt_bases.adopt(board, cells, runs):
        remark(f"{counted_bases(bases)} copied into {runs.root} and taken as trained")
    remark(f"{adopt(board, runs)} published records copied into {runs.root} and taken as done")


def _run(board: Board, cells: Sequence[Cell], anew: Fresh, runs: RunsFolder, options: RunOptions, ways: _Ways) -> None:
    """Run the cells and print the table. Raises: typer.Exit with 1 when a cell or a floor failed."""
    from harness.run.states import missing_floors

    states = _states_after_run(board, cells, anew, runs, options, ways)
    stop.raise_on_signals()
    _print_results(board, runs, ways.as_json)
    failed = [f"{state.cell.name}: {state.reason}" for state in states if state.state == "failed"]
    failed += [f"{state.cell.name}: it left no record; run again" for state in states if state.state == "to run"]
    failed += [f"floor {floor.name}: see the message above" for floor in missing_floors(board, runs)]
    for failure in failed:
        remark(f"failed: {failure}")
    if failed:
        raise typer.Exit(1)


def _states_after_run(
    board: Board, cells: Sequence[Cell], anew: Fresh, runs: RunsFolder, options: RunOptions, ways: _Ways
) -> list[CellState]:
    """Run the cells, or follow the run that does."""
    from harness.cli.progress import show_progress
    from harness.run import states
    from harness.run.attach import at_work
    from harness.run.start import default_executor, run_board

    def ask(states: Sequence[CellState]) -> None:
        for line in questions(board, states, runs, anew):
            remark(line)

    executor = (options.executor or default_executor()).name
    facts = {"arguments": tuple(sys.argv[1:]), "executor": executor, "is_detached": ways.parent is not None}
    follow = detached.on_follow(ways.parent, runs)
    with (
        show_progress(runs) as on_event,
        at_work(
            board, cells, runs, on_event=on_event, on_remark=remark, on_follow=follow, follows=ways.follows, facts=facts
        ) as command,
    ):
        if command is None:
            return states.states(board, cells, runs)
        own = replace(options, command=command.id)

        def begin() -> None:
            if ways.parent is not None:
                ways.parent.tell(command, runs)

        return run_board(board, cells, runs, own, on_event, remark, on_states=ask, on_begin=begin, fresh=anew)


def _collect(board: Board, cells: Sequence[Cell], runs: RunsFolder, as_json: bool) -> None:
    """Note which jobs have died, and print the table. Raises: typer.Exit with 1 when a cell failed."""
    from harness.run import collect
    from harness.run.states import states, summary

    for line in collect.note_deaths(board, cells, runs, remark):
        remark(line)
    _print_results(board, runs, as_json)
    after = states(board, cells, runs)
    remark(summary(after))
    if any(state.state == "failed" for state in after):
        raise typer.Exit(1)


def _print_results(board: Board, runs: RunsFolder, as_json: bool) -> None:
    from harness.board.stand_ins import stand_ins
    from harness.report import formats
    from harness.report.page import terminal_table
    from harness.report.render import render_runs

    rendered = render_runs(board, runs)
    to_text = formats.as_json if as_json else terminal_table
    result(to_text(rendered.table).rstrip())
    if board.is_smoke:
        remark("a smoke run, with tiny budgets, networks and samplers: these numbers mean nothing")
        for sentence in stand_ins(board):
            remark(sentence)
    written = rendered.write(runs.board(board.name))
    for path in written.paths:
        remark(f"wrote {path}")
    for line in written.undrawn:
        remark(line)
