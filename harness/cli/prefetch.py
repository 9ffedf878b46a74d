"""`harness prefetch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath
from harness.cli.output import print_json, print_table, remark

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.presets import WeightsFile


def prefetch(
    board: BoardPath,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files and fetch none.")] = False,
    as_json: AsJson = False,
) -> None:
    """Example: harness prefetch leaderboards/cifar10

    List and download the files that a board needs beside the packages; say which others you have to bring.
    """
    from harness.board.reading.load import load_board
    from harness.errors import Faults, UserError
    from harness.weights import cache
    from harness.weights.download import fetch

    loaded = load_board(board)
    files, faults = needed(loaded), []
    for file in () if dry_run else files:
        try:
            if not (cache.path(file).exists() or cache.is_offline()):
                remark(f"fetching {file.name} from {file.address or 'nowhere'}")
            fetch(file)
        except UserError as error:
            faults.append(str(error))
    rows = [
        {"file": file.name, "state": "here" if cache.path(file).exists() else "absent", "path": str(cache.path(file)),
         "address": file.address, "sha256": file.sha256 or "not pinned"}
        for file in files
    ]  # fmt: skip
    brought = absent(loaded, brought_only=True)
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        remark(f"nothing to fetch: {'no file that is absent can be fetched' if brought else 'this board needs no file'}")
    if dry_run:
        for fault in brought:
            remark(f"to be brought by you: {fault}")
    elif faults or brought:
        raise Faults([*faults, *brought])


def absent(board: Board, *, brought_only: bool = False) -> list[str]:
    """A message for each file of the board that is not here: weights of bases, data, weights of extractors.

    Args:
        brought_only: leave out those that `needed` names, which can be fetched.
    """
    from harness.errors import noted
    from harness.run.run import absent_files

    faults: list[str] = []
    for base in board.bases:
        for file in base.origin.files:
            with noted(faults):
                if not (brought_only and file.published):
                    file.check_there()
    return [*faults, *absent_files(board)]


def needed(board: Board) -> list[WeightsFile]:
    """Published files of the board's bases, and those that its components ask for; each once, in the board's order."""
    files: dict[str, WeightsFile] = {}
    parts = [board.dataset, *(cell.method for cell in board.cells), *(column.metric for column in board.columns)]
    for base in board.bases:
        parts += base.origin.components
        for file in base.origin.files:
            if file.published is not None:
                files.setdefault(file.published.name, file.published)
    for part in parts:
        for one in part.component.needed_files(part.settings):
            files.setdefault(one.name, one)
    return list(files.values())
