"""Conversion of weights from any readable file to safetensors, with the network's settings in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError, field_validator
from safetensors.torch import save_file
from torch import Tensor

from harness.components import Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.store.files import appearing
from harness.validation import first_fault
from harness.weights import cache, network_files
from harness.weights.network_files import Found, NetworkFile
from harness.weights.stored import HEADER, SCHEMA, Stored, read


class Header(BaseModel):
    """The description of the network in the header that `convert` writes. Other entries of the header are ignored."""

    model: str
    settings: dict[str, object]
    spec: DataSpec

    @field_validator("spec")
    @classmethod
    def _possible(cls, spec: DataSpec) -> DataSpec:
        if not spec.shape or min(spec.shape) < 1 or spec.classes < 0:
            raise ValueError(f"no data have the shape {spec.shape} and {spec.classes} classes")
        return spec


@dataclass(frozen=True)
class Network:
    """A network: its model, the model's settings, and the data that it generates."""

    model: Model
    config: Config
    spec: DataSpec

    def build(self) -> torch.nn.Module:
        """Return the network on the meta device: its tensors have names and shapes, and take no memory."""
        with torch.device("meta"):
            return self.model.create(self.config, self.spec)


def convert(files: Sequence[NetworkFile], target: Path, network: Network | None) -> Found:
    """Write one safetensors file. The tensors have the names of the network, and the dtypes that they have in the files.

    Args:
        network: the network of the files; None stands for the network that the first file describes.
    Returns: the tensors that were written, and which table of each file they are.
    Raises: UserError when the files do not fit the network, or when `network` is None and the first file describes no network
        that can be built.
    """
    if network is None:
        network = described_network(read(files[0].path))
        _check_buildable(network, files[0].path)
    found = network_files.find(files, network.model, network.build())
    if any(value.is_meta for value in found.tensors.values()):  # a tokenizer that the settings name: it has values when built
        found = network_files.find(files, network.model, network.model.create(network.config, network.spec))
    source = [
        {"file": read.path.name, "sha256": cache.sha256(read.path), **({"table": read.table} if read.table else {})}
        for read in found.tables
    ]
    write(found.tensors, target, network, source=source)
    return found


def _check_buildable(network: Network, path: Path) -> None:
    """Raises: UserError for a network that a file describes with settings of which none can be built."""
    try:
        network.build()
    except UserError:
        raise
    except Exception as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: describes a {network.model.name} that cannot be built: {first_line}") from None


def write(tensors: Mapping[str, Tensor], target: Path, network: Network, *, source: Sequence[Mapping[str, str]]) -> None:
    """Write the tensors of a network as safetensors, with the network's settings in the header.

    Args:
        source: what the tensors were made from, such as the name and the hash of each file.
    Raises: StorageError.
    """
    # safetensors refuses tensors that share memory.
    copies = {name: value.contiguous().clone() for name, value in tensors.items()}
    header = {
        "schema": SCHEMA, "model": network.model.name, "settings": network.config.model_dump(mode="json"),
        "spec": asdict(network.spec), "source": list(source),
    }  # fmt: skip
    with appearing(target) as scratch:
        save_file(copies, scratch, {"format": "pt", HEADER: json.dumps(header)})


def described_network(stored: Stored) -> Network:
    """Return the network that a file describes, in the header that `convert` writes or in a form that a model's layout reads.

    Raises: UserError when the file describes no network, or one of a model that is not installed.
    """
    if stored.format == "safetensors" and "settings" in stored.config:
        return _network_in_header(stored)
    for name in registry().names("model"):
        model = registry().get(Model, name, where=str(stored.path))
        if (description := network_files.layout(model).describe(stored)) is not None:
            return Network(model, *description)
    raise UserError(
        f"{stored.path}: does not say of which network it is: name it with --preset (`harness list presets`), with "
        "--base BOARD:BASE, or with --model, --set and --shape"
    )


def _network_in_header(stored: Stored) -> Network:
    described: object = stored.config
    try:
        header = Header.model_validate(described)
        model = registry().get(Model, header.model, where=str(stored.path))
        described = header.settings
        return Network(model, model.config.model_validate(described), header.spec)
    except ValidationError as error:
        fault = first_fault(error, described)
        raise UserError(f"{stored.path}: its header describes no network: {fault}; name it with --preset") from None


def preset_network(name: str) -> Network:
    """Return the network of a preset. Raises: UserError for an unknown name."""
    preset = registry().preset(name, where="--preset")
    return Network(registry().get(Model, preset.model, where=f"preset {name}"), preset.config, preset.spec)
