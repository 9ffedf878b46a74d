"""`harness convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import value_completion
from harness.cli.network_options import NetworkOptions
from harness.cli.new_files import check_folder_above
from harness.cli.output import remark, result
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.weights.network_files import NetworkFile


SourcePath = Annotated[Path, typer.Argument(metavar="SRC", help="A file of weights, or a diffusers folder.")]
TargetPath = Annotated[Path, typer.Argument(metavar="DST", help="The safetensors file to write.")]
PresetName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The network that the file is of, where the file does not say.",
        autocompletion=value_completion.presets,
    ),
]
BaseName = Annotated[
    str | None, typer.Option(metavar="BOARD:BASE", help="The same, as the network of a board's base: leaderboards/digits:edm.")
]
ModelName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The same, as a model with --set and --shape. Alone: refuse files of other models.",
        autocompletion=value_completion.names_of("model"),
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of --model.", autocompletion=value_completion.model_settings),
]
Shape = Annotated[str | None, typer.Option(metavar="SIDES", help="The shape of an example of --model, e.g. 3x32x32.")]
Classes = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="The number of classes of --model; 0 where it is left out.")
]
Parts = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME | PART=FILE[#NAME]",
        help="The table of a checkpoint to read, e.g. ema; or the file of a part that stands apart, e.g. tokenizer=vae.pth.",
    ),
]


def convert_weights(
    source: SourcePath,
    target: TargetPath,
    preset: PresetName = None,
    base: BaseName = None,
    model: ModelName = None,
    settings: Settings = None,
    shape: Shape = None,
    classes: Classes = None,
    part: Parts = None,
) -> None:
    """Example: harness convert edm-cifar10-32x32-uncond-vp.pkl edm.safetensors

    Write weights of any readable format as safetensors, checked against their network, its settings in the header.
    """
    from harness.weights.convert import convert, described_network
    from harness.weights.stored import read

    if target.suffix != ".safetensors":
        raise UserError(f"{target}: the file to write ends in .safetensors")
    if target.exists():
        raise UserError(f"{target}: is there already; remove it first")
    check_folder_above(target, "DST")
    options = NetworkOptions(preset, base, model, settings or [], shape, classes)
    network = options.network() or described_network(read(source))
    if model is not None and network.model.name != model:
        raise UserError(f"--model {model}: {preset or base or source} is of the model {network.model.name}")
    written = convert(_files(source, part or []), target, network)
    for table in written.tables:
        if table.remark:
            remark(table.remark)
    numbers = sum(value.numel() for value in written.tensors.values())
    remark(f"wrote {target}: {len(written.tensors)} tensors, {numbers:,} numbers of {network.model.name}")
    result(str(target))


def _files(source: Path, parts: Sequence[str]) -> list[NetworkFile]:
    """Return the file of the network, with the table that the options choose, and the files of parts that stand apart."""
    from harness.weights.network_files import NetworkFile

    tables = [text for text in parts if "=" not in text]
    if len(tables) > 1:
        raise UserError(f"--part {tables[1]}: {tables[0]} is chosen already; give one table, and other parts as PART=FILE")
    return [NetworkFile(source, table=tables[0] if tables else ""), *(_part(text) for text in parts if "=" in text)]


def _part(text: str) -> NetworkFile:
    from harness.weights.network_files import NetworkFile

    name, _, file = text.partition("=")
    if not name or not file:
        raise UserError(f"--part {text}: write PART=FILE, e.g. tokenizer=vae.pth, or the name of a table of SRC")
    path, hash_sign, table = file.rpartition("#")
    return NetworkFile(Path(path), name, table) if hash_sign and not Path(file).exists() else NetworkFile(Path(file), name)
