"""`harness export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import RunsDir
from harness.cli.output import remark, result
from harness.errors import UserError
from harness.store.runs_folder import RunsFolder

RecordPath = Annotated[Path, typer.Argument(metavar="RECORD", help="The record of a cell, in a runs folder or published.")]
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the cell's network to this .safetensors file.")]
Samples = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Write the cell's samples: PNG files in a folder, or one .npz file.")
]
Draw = Annotated[int, typer.Option(min=0, metavar="D", help="The evaluation draw whose samples are written.")]
Number = Annotated[
    int | None,
    typer.Option("--n", min=1, metavar="N", help="How many samples, from the first. [default: all]", show_default=False),
]


def export(
    record: RecordPath,
    weights: Weights = None,
    samples: Samples = None,
    draw: Draw = 0,
    n: Number = None,
    runs_dir: RunsDir = None,
) -> None:
    """Example: harness export runs/records/digits/edm__ddo__s0.1a2b3c.json --weights ddo.safetensors --samples ddo/

    Take a cell out of its runs folder: the fine-tuned network as a file that `weights:` reads, samples as images.
    """
    from harness.store.records import load_record

    if weights is None and samples is None:
        raise UserError("export: give --weights FILE, --samples FOLDER, or both")
    if record.name.startswith("floor__"):
        raise UserError(f"{record}: the record of a floor, which has neither a network nor samples")
    loaded = load_record(record)
    from harness.run.export import check_weights_target, export_samples, export_weights, find_samples

    runs = _runs_folder(record, runs_dir, is_smoke=loaded.is_smoke)
    if weights is not None:
        check_weights_target(weights)
    if samples is not None:  # before the weights are written: a fault leaves nothing behind
        find_samples(loaded, samples, runs, draw=draw, n=n, where=str(record))
    elif n is not None:
        raise UserError("--n: counts samples; give --samples FOLDER with it")
    if weights is not None:
        numbers = export_weights(loaded, weights, runs, where=str(record))
        remark(f"wrote {weights}: {numbers:,} numbers of {loaded.model.name}, as {loaded.cell} of {loaded.board} left them")
        result(str(weights))
    if samples is not None:
        count = export_samples(loaded, samples, runs, draw=draw, n=n, where=str(record))
        remark(f"wrote {samples}: {count:,} samples, from the first of draw {draw}")
        result(str(samples))


def _runs_folder(record: Path, runs_dir: Path | None, *, is_smoke: bool) -> RunsFolder:
    """Return the runs folder that the record lies in, runs/records/BOARD/RECORD.json, unless another one is named."""
    parents = record.resolve().parents
    if runs_dir is None and len(parents) > 2 and parents[1].name == "records":
        return RunsFolder(parents[2])
    return RunsFolder.of(runs_dir, smoke=is_smoke)
