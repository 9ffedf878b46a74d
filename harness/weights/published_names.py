"""Names and shapes of the tensors in published files, as plugins list them, compared with a network without any file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.components import Model
from harness.errors import PluginFault
from harness.presets import Preset, PublishedNames
from harness.weights import network_files
from harness.weights.stored import Stored


def listed(names: PublishedNames) -> Mapping[str, Tensor]:
    """Return the tensors of a published file by name, on the meta device.

    Raises: PluginFault where the plugin brings no such list.
    """
    return {name: torch.empty(shape, dtype=getattr(torch, kind), device="meta") for name, shape, kind in _read(names.resource)}


@cache
def _read(resource: str) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """Return name, shape and number type of each tensor in a list."""
    package, _, path = resource.partition(":")
    try:
        content = json.loads(gzip.decompress(files(package).joinpath(path).read_bytes()))
        return tuple((name, tuple(shape), kind) for name, (shape, kind) in content.items())
    except (ImportError, OSError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise PluginFault(f"the list of published names {resource} cannot be read: {error}") from error


def unlisted_parts(preset: Preset) -> list[str]:
    """Return the parts of the network that published files hold and no list names; "" stands for the network itself."""
    parts = {file.part for file in preset.files} | {""}
    return sorted(parts - {names.part for names in preset.names})


def check_names(preset: Preset, model: Model, network: nn.Module) -> None:
    """Compare a network with the names and shapes in the published files of a preset, read as files of weights are.

    Parts of the network that no list names are left out.

    Args:
        network: the network, which may be on the meta device.
    Raises: UserError, which lists the first names that differ. PluginFault where a list cannot be read.
    """
    contents = [
        network_files.PartContent(Stored(Path(names.resource.rpartition("/")[2]), "pytorch", listed(names)), names.part)
        for names in preset.names
    ]
    network_files.check_contents(contents, model, network, others=unlisted_parts(preset))
