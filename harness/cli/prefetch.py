"""`harness prefetch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, BoardPath
from harness.cli.output import print_json, print_table, remark
from harness.errors import Faults, noted

if TYPE_CHECKING:
    from harness.presets import WeightsFile

DryRun = Annotated[bool, typer.Option("--dry-run", help="List the files and fetch none.")]


NOT_FETCHED = "this board needs files that the harness cannot download"


def prefetch(board: BoardPath, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Example: harness prefetch leaderboards/fashion-mnist-real --dry-run

    List and download the files that a board needs beside the packages; say which others you have to bring.
    """
    from harness.board.reading.load import load_board
    from harness.run.needs import Needs

    needs = Needs.of_whole(load_board(board))
    files = needs.published_files()
    faults = [] if dry_run else _fetch(files)
    brought_by_user = needs.absent_files(only_brought=True)
    rows = [_row(file) for file in files]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        remark(NOT_FETCHED if brought_by_user else "nothing to fetch: this board needs no file")
    if dry_run:
        for fault in brought_by_user:
            remark(f"to be brought by you: {fault}")
    elif faults or brought_by_user:
        raise Faults([*faults, *brought_by_user])


def _fetch(files: Sequence[WeightsFile]) -> list[str]:
    """Fetch every file that is not here. Returns: why files could not be fetched."""
    from harness.weights import cache, found_hashes
    from harness.weights.download import fetch

    faults: list[str] = []
    for file in files:
        with noted(faults):
            if not (cache.path(file).exists() or cache.is_offline()):
                remark(f"fetching {file.name} from {file.address or 'nowhere'}")
            is_first = file.sha256 is None and found_hashes.found(file) is None
            path = fetch(file)
            if is_first:
                remark(f"{file.name}: nobody has published its hash; later runs compare with this one, {cache.sha256(path)}")
    return faults


def _row(file: WeightsFile) -> dict[str, str]:
    from harness.weights import cache, found_hashes

    path, noted = cache.path(file), found_hashes.found(file)
    first = "not pinned" if noted is None else f"{noted.sha256} (of the first download, {noted.when})"
    return {
        "file": file.name,
        "state": "here" if path.exists() else "absent",
        "path": str(path),
        "address": file.address,
        "sha256": file.sha256 or first,
    }
