"""`harness render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.arguments import BoardPaths
from harness.cli.output import remark, result
from harness.errors import UserError


def render(
    boards: BoardPaths,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when a page or plot is stale, or a finding is not borne out.")
    ] = False,
    format_: Annotated[
        Literal["markdown", "latex", "csv", "json"],
        typer.Option("--format", help="markdown writes README.md and plots; the others print the table."),
    ] = "markdown",
) -> None:
    """Example: harness render leaderboards/* --check

    Make the pages and plots of boards from their published results.
    """
    if check and format_ != "markdown":
        raise UserError("--check compares pages: leave --format out")
    if format_ == "json" and len(boards) > 1:
        raise UserError("--format json: give one board, whose table is one document")
    problems = [problem for board in boards for problem in _render(board, check, format_)]
    for problem in problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)


def _render(path: Path, check: bool, format_: str) -> list[str]:
    """Render one board, or check it.

    Returns: claims that the records speak against, published bases that are damaged or of other weights, plots that could not be
        drawn, and, with `check`, what is stale.
    """
    from harness.board.reading.load import load_board
    from harness.report.formats import FORMATS
    from harness.report.passed_over import passed_over
    from harness.report.published_bases import faults
    from harness.report.render import render_published
    from harness.store.board_folder import BoardFolder

    board = load_board(path)
    folder = BoardFolder(board.folder)
    rendered = render_published(board)
    bases = faults(rendered.content.collection)
    for line in passed_over(rendered.content.collection):
        remark(line)
    if check and not (folder.results.exists() or folder.page.exists()):
        result(f"{board.folder}: nothing published")
    elif check:
        if stale := rendered.stale(board.folder):
            return [*stale, f"run: harness render {board.folder}", *rendered.not_borne_out, *bases]
        if not (problems := [*rendered.not_borne_out, *bases]):
            result(f"{board.folder}: up to date")
        return problems
    elif format_ == "markdown":
        written = rendered.write(board.folder)
        for file in written.paths:
            result(f"wrote {file}")
        return [*written.undrawn, *rendered.not_borne_out, *bases]
    else:
        result(FORMATS[format_](rendered.table).rstrip())
    return []
