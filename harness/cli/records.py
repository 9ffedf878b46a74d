"""`harness records`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import RunsDir, board_names
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result
from harness.errors import UserError, nearest

Source = Annotated[
    Path,
    typer.Argument(metavar="BOARD", help="A board's folder, or a runs folder.", autocompletion=board_names),
]
Format = Annotated[str, typer.Option("--format", metavar="NAME", help="csv, json or parquet.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write this file in the place of stdout.")]
Curves = Annotated[bool, typer.Option("--curves", help="The curves along training, in the place of the results.")]


def records(
    board: Source,
    form: Format = "csv",
    output: Output = None,
    curves: Curves = False,
    runs_dir: RunsDir = None,
) -> None:
    """Example: harness records leaderboards/digits --format parquet -o digits.parquet

    Write every result of a board as one table, a row for each cell, metric and draw: published records, and those of runs.
    """
    from harness.results.formats import FORMATS, TEXT_FORMATS, check_parquet, write
    from harness.results.frames import read, read_curves
    from harness.store.runs_folder import RunsFolder

    if form not in FORMATS:
        raise UserError(f"--format {form}: {nearest(form, FORMATS)}there are {', '.join(FORMATS)}")
    if form == "parquet":
        check_parquet()
        if output is None:
            raise UserError("--format parquet: is no text; name a file with -o FILE")
    if output is not None:
        check_folder_above(output, "-o")
    runs = RunsFolder.of(runs_dir)
    table = (read_curves if curves else read)(board, runs=runs.root, remark=remark)
    if table.empty:
        what = "curves" if curves else "records"
        remark(f"{board}: has no {what}, published or in {runs.root}; `harness run` makes them, --runs-dir names another folder")
    if output is None:
        result(TEXT_FORMATS[form](table).rstrip("\n"))
    else:
        write(table, output, form)
        remark(f"wrote {output}: {len(table):,} rows of {len(table.columns)} columns")
