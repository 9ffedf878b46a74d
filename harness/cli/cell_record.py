"""The arguments of commands that take something of a cell out of its runs folder: the record, and which samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UserError
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from harness.store.records import Record

RecordPath = Annotated[Path, typer.Argument(metavar="RECORD", help="The record of a cell, in a runs folder or published.")]
Draw = Annotated[
    int | None,
    typer.Option(min=0, metavar="D", help="The evaluation draw whose samples are written. [default: 0]", show_default=False),
]
Bank = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="K", help="In its place: the fakes that the method trained on, bank K, from 1; in rounds, one a round."
    ),
]
Number = Annotated[
    int | None,
    typer.Option("--n", min=1, metavar="N", help="How many samples, from the first. [default: all]", show_default=False),
]


def record_of_cell(path: Path, runs_dir: Path | None) -> tuple[Record, RunsFolder]:
    """Read the record of a cell.

    Returns: the record, and the runs folder that it lies in, runs/records/BOARD/RECORD.json, unless another one is named.
    Raises: UserError when the file is no record of a cell.
    """
    from harness.store.records import load_record

    if path.name.startswith("floor__"):
        raise UserError(f"{path}: the record of a floor, which has neither a network nor samples")
    record, parents = load_record(path), path.resolve().parents
    if runs_dir is None and len(parents) > 2 and parents[1].name == "records":
        return record, RunsFolder(parents[2])
    return record, RunsFolder.of(runs_dir, smoke=record.is_smoke)
