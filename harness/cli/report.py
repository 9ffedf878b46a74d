"""`harness report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import BoardPaths, RunsDir, Smoke, folder_names
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result
from harness.errors import UserError


def report(
    boards: BoardPaths,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", autocompletion=folder_names, help="Where the site is written."),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Show the records of the runs folder, not the published ones.")] = False,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Show the runs folder in a browser on this machine, and its news while a run goes on."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of --serve; 0 takes a free one.")] = 8765,
    smoke: Smoke = False,
    runs_dir: RunsDir = None,
) -> None:
    """Example: harness report leaderboards/digits -o site/

    Write boards as web pages, which work from disk and offline, or serve them while a run goes on.
    """
    if (output is None) == (not serve):
        raise UserError("give a folder with -o, or --serve" if output is None else "--serve writes no folder: leave -o out")
    if (smoke or runs_dir is not None) and not serve:
        runs = True  # smoke runs and other runs folders hold no published records
    if serve:
        _serve(boards, runs_dir, smoke=smoke, port=port)
    elif output is not None:
        _write(boards, output, runs_dir, runs=runs, smoke=smoke)


def _write(paths: list[Path], output: Path, runs_dir: Path | None, *, runs: bool, smoke: bool) -> None:
    from harness.board.reading.load import load_board
    from harness.report.render import render_published, render_runs
    from harness.site.site import site_of
    from harness.site.writing import check_folder, write_site
    from harness.store.runs_folder import RunsFolder

    check_folder_above(output, "-o")
    check_folder(output)
    boards = [load_board(path, smoke=smoke) for path in paths]
    folder = RunsFolder.of(runs_dir, smoke=smoke) if runs else None
    rendered = [render_published(board) if folder is None else render_runs(board, folder) for board in boards]
    site = site_of(rendered, folder)
    write_site(site.files, output)
    for line in site.undrawn:
        remark(line)
    names = "1 board" if len(boards) == 1 else f"{len(boards)} boards"
    pages = sum(path.endswith(".html") for path in site.files)
    result(f"wrote {output}: {names}, {pages} pages; open {output / 'index.html'}")


def _serve(paths: list[Path], runs_dir: Path | None, *, smoke: bool, port: int) -> None:
    from harness.board.reading.load import load_board
    from harness.cli.progress import running_line
    from harness.site.live import LiveSite
    from harness.site.serve import LiveServer
    from harness.store.runs_folder import RunsFolder

    live = LiveSite([load_board(path, smoke=smoke) for path in paths], RunsFolder.of(runs_dir, smoke=smoke), running_line)
    server = LiveServer(live, port, remark)
    live.refresh()
    result(f"serving {server.address} to this machine; Ctrl-C ends it")
    sys.stdout.flush()
    try:
        server.serve()
    except KeyboardInterrupt:
        remark("ended")
