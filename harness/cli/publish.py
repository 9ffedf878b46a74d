"""`harness publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import BoardPath, RunsDir
from harness.cli.output import remark, result

if TYPE_CHECKING:
    from harness.report.bases_plan import BasesPlan


def publish(
    board: BoardPath,
    partial: Annotated[bool, typer.Option("--partial", help="Publish though cells are missing or failed.")] = False,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed",
            help="Publish records of code that was edited; where two records are of different code, the page says so.",
        ),
    ] = False,
    bases: Annotated[
        bool, typer.Option("--bases", help="Publish the weights of pretrained bases too, for `run --keep-published`.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="hf://OWNER/NAME", help="Upload the pack to a dataset of Hugging Face too.")
    ] = None,
    runs_dir: RunsDir = None,
) -> None:
    """Example: harness publish leaderboards/quickstart

    Copy a board's current records from the runs folder to its results, and render its page and plots.
    """
    from harness.board.log_files import SUFFIX
    from harness.board.reading.load import load_board
    from harness.errors import UserError
    from harness.report.publish import plan
    from harness.report.render import render_published
    from harness.store.runs_folder import RunsFolder
    from harness.submission.hub import hub_target, upload

    loaded = load_board(board)
    target = None if to is None else hub_target(to)
    runs = RunsFolder.of(runs_dir)
    if not runs.root.is_dir():
        raise UserError(
            f"{runs.root}: no runs folder is there to publish from; `harness run` makes one, --runs-dir names another"
        )
    publication = plan(loaded, runs, allow_mixed=allow_mixed, bases=bases)
    for problem in publication.problems:
        remark(problem)
    if publication.problems and not partial:
        remark(f"not published; run `harness run {loaded.folder}` first, or publish what there is with --partial")
        raise typer.Exit(1)
    publication.apply()
    rendered = render_published(loaded)
    written = rendered.write(loaded.folder)
    logs = sum(name.endswith(SUFFIX) for name in publication.copies)
    and_logs = f" and {logs} training logs" if logs else ""
    result(
        f"{loaded.folder}/results: {len(publication.copies) - logs} records{and_logs} written, "
        f"{len(publication.kept)} files kept, {len(publication.removed)} removed"
    )
    for name in publication.removed:
        result(f"removed {loaded.folder}/results/{name}, which no longer belongs to the board")
    _show_bases(publication.bases)
    for path in written.paths:
        result(f"wrote {path}")
    for line in (*publication.bases.remarks, *publication.unmade, *written.undrawn, *rendered.not_borne_out):
        remark(line)
    if target is not None:
        result(f"uploaded {upload(loaded, target)}")


def _show_bases(plan: BasesPlan) -> None:
    if plan.copies:
        count = "1 base" if len(plan.copies) == 1 else f"{len(plan.copies)} bases"
        result(f"{plan.folder}: {count} written, {plan.megabytes:.1f} MB")
    for name, reason in plan.removed.items():
        result(f"removed {plan.folder / name}: {reason}")
