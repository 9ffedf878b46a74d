"""`harness samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import RunsDir
from harness.cli.cell_record import Bank, Draw, Number, RecordPath, record_of_cell
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result

Folder = Annotated[Path, typer.Option("--png", metavar="FOLDER", help="Write each image to a PNG file in this new folder.")]


def samples(
    record: RecordPath, png: Folder, draw: Draw = None, bank: Bank = None, n: Number = None, runs_dir: RunsDir = None
) -> None:
    """Example: harness samples runs/records/digits/edm__ddo__s10.1a2b3c.json --png ddo/

    Write the images that a cell was measured on, byte for byte, as PNG files named by number and label.
    """
    check_folder_above(png, "--png")
    loaded, runs = record_of_cell(record, runs_dir)
    from harness.run import kept
    from harness.run.export import export_images

    examples = kept.examples(loaded, runs, draw=draw, bank=bank, where=str(record))
    count = export_images(examples, png, n, where=str(record))
    how = "as they were measured" if bank is None else "that its method trained on"
    remark(f"wrote {png}: {count:,} images of {loaded.cell} of {loaded.board} {how}, from the first of {examples.title}")
    result(str(png))
