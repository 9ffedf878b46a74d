"""`harness convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.output import remark, result
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.weights.network_files import NetworkFile


SourcePath = Annotated[Path, typer.Argument(metavar="SRC", help="A file of weights, or a diffusers folder.")]
TargetPath = Annotated[Path, typer.Argument(metavar="DST", help="The safetensors file to write.")]
PresetName = Annotated[
    str | None, typer.Option(metavar="NAME", help="The network that the file is of, where the file does not say.")
]
ModelName = Annotated[
    str | None, typer.Option(metavar="NAME", help="The model that the file must be of; other files are refused.")
]
Parts = Annotated[
    list[str] | None, typer.Option(metavar="PART=FILE", help="The file of a part that stands apart, e.g. tokenizer=vae.pth.")
]


def convert_weights(
    source: SourcePath, target: TargetPath, preset: PresetName = None, model: ModelName = None, part: Parts = None
) -> None:
    """Example: harness convert edm-cifar10-32x32-uncond-vp.pkl edm.safetensors

    Write weights of any readable format as safetensors, checked against their network, its settings in the header.
    """
    from harness.weights.convert import convert, described_network, preset_network
    from harness.weights.network_files import NetworkFile
    from harness.weights.stored import read

    if target.suffix != ".safetensors":
        raise UserError(f"{target}: the file to write ends in .safetensors")
    if target.exists():
        raise UserError(f"{target}: is there already; remove it first")
    network = preset_network(preset) if preset is not None else described_network(read(source))
    if model is not None and network.model.name != model:
        raise UserError(f"--model {model}: {preset or source} is of the model {network.model.name}")
    files = [NetworkFile(source), *(_part(text) for text in part or [])]
    written = convert(files, target, network)
    numbers = sum(value.numel() for value in written.values())
    remark(f"wrote {target}: {len(written)} tensors, {numbers:,} numbers of {network.model.name}")
    result(str(target))


def _part(text: str) -> NetworkFile:
    from harness.weights.network_files import NetworkFile

    name, _, file = text.partition("=")
    if not name or not file:
        raise UserError(f"--part {text}: write PART=FILE, e.g. tokenizer=vae.pth")
    return NetworkFile(Path(file), name)
