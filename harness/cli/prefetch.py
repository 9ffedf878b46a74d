"""`harness prefetch`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath
from harness.cli.output import print_json, print_table, remark


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
    from harness.run.needs import Needs
    from harness.weights import cache
    from harness.weights.download import fetch

    needs = Needs.of_whole(load_board(board))
    files, faults = needs.published_files(), []
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
    brought = needs.absent_files(only_brought=True)
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
