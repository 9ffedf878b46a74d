"""`harness export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import RunsDir
from harness.cli.cell_record import Bank, Draw, Number, RecordPath, record_of_cell
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result
from harness.errors import UserError

Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the cell's network to this .safetensors file.")]
Samples = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write the cell's samples: PNG files in a folder, or one .npz file.")
]


def export(
    record: RecordPath,
    weights: Weights = None,
    samples: Samples = None,
    draw: Draw = None,
    bank: Bank = None,
    n: Number = None,
    runs_dir: RunsDir = None,
) -> None:
    """Example: harness export runs/records/digits/edm__ddo__s10.1a2b3c.json --weights ddo.safetensors --samples ddo/

    Take a cell out of its runs folder: the fine-tuned network as a file that `weights:` reads, samples as images.
    """
    if weights is None and samples is None:
        raise UserError("export: give --weights FILE, --samples FOLDER, or both")
    for option, target in (("--weights", weights), ("--samples", samples)):
        if target is not None:
            check_folder_above(target, option)
    loaded, runs = record_of_cell(record, runs_dir)
    from harness.run import kept
    from harness.run.export import check_examples, check_samples_target, check_weights_target, export_samples, export_weights

    if weights is not None:
        check_weights_target(weights)
    examples = None
    if samples is not None:  # before the weights are written: a fault leaves nothing behind
        check_samples_target(samples)
        examples = kept.examples(loaded, runs, draw=draw, bank=bank, where=str(record))
        check_examples(examples, samples, n, where=str(record))
    elif n is not None or draw is not None or bank is not None:
        raise UserError("--n, --draw and --bank are about samples; give --samples FOLDER with them")
    if weights is not None:
        numbers = export_weights(loaded, weights, runs, where=str(record))
        remark(f"wrote {weights}: {numbers:,} numbers of {loaded.model.name}, as {loaded.cell} of {loaded.board} left them")
        result(str(weights))
    if samples is not None and examples is not None:
        count = export_samples(examples, samples, n, where=str(record))
        remark(f"wrote {samples}: {count:,} samples, from the first of {examples.title}")
        result(str(samples))
