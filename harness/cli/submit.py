"""`harness submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import BoardPath
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result
from harness.errors import UserError

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PACK", help="The file to write. [default: BOARD.zip]", show_default=False),
]


def submit(board: BoardPath, output: Output = None) -> None:
    """Example: harness submit leaderboards/quickstart -o quickstart.zip

    Pack a board's published records, logs and environment with a manifest of hashes, for harness verify elsewhere.
    """
    from harness.board.reading.load import load_board
    from harness.submission.pack import write_pack

    loaded = load_board(board)
    target = output or Path(f"{loaded.name}.zip")
    if target.is_dir():
        raise UserError(f"{target}: is a folder; name a file")
    check_folder_above(target, "-o")
    count = write_pack(loaded, target)
    remark(f"wrote {target}: {count} files; check it with: harness verify {target}")
    result(str(target))
