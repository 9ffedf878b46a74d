"""Any file of weights as safetensors, with the network's settings in the header."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.components import Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.store.files import appearing
from harness.weights import cache, fit
from harness.weights.fit import Source
from harness.weights.stored import HEADER, Stored, read

SCHEMA = 1


@dataclass(frozen=True)
class Network:
    """A network by its settings."""

    model: Model
    config: Config
    spec: DataSpec

    def build(self) -> torch.nn.Module:
        """It, on the meta device: names and shapes without memory."""
        with torch.device("meta"):
            return self.model.create(self.config, self.spec)


def convert(sources: Iterable[Source], target: Path, network: Network | None) -> dict[str, Tensor]:
    """Write one safetensors file with the network's names and the files' own number types. Returns what was written.

    Args:
        network: None takes it from what the first file says of itself.
    Raises: UserError when the files do not fit it, or do not say which network they are of.
    """
    files = list(sources)
    network = network or said(read(files[0].path))
    found = fit.tensors(files, network.model, network.build())
    whole = {name: value.contiguous().clone() for name, value in found.items()}
    header = {
        "schema": SCHEMA, "model": network.model.name, "settings": network.config.model_dump(mode="json"),
        "spec": asdict(network.spec), "source": [{"file": one.path.name, "sha256": cache.sha256(one.path)} for one in files],
    }  # fmt: skip
    with appearing(target) as scratch:
        save_file(whole, scratch, {"format": "pt", HEADER: json.dumps(header)})
    return whole


def said(stored: Stored) -> Network:
    """The network that a file says it is of: by the header of `convert`, or by what a family's files say.

    Raises: UserError when it says nothing, or of a model that is not installed.
    """
    models = [cast(Model, one.component) for one in registry().all("model").values()]
    if stored.format == "safetensors" and isinstance(stored.config.get("settings"), dict):
        model = registry().get(Model, str(stored.config.get("model")), where=str(stored.path))
        spec = cast("dict[str, object]", stored.config["spec"])
        return Network(
            model, model.config.model_validate(stored.config["settings"]),
            DataSpec(tuple(cast("list[int]", spec["shape"])), cast(int, spec["classes"]), str(spec["preview"])),
        )  # fmt: skip
    for model in models:
        if (found := fit.layout(model).describe(stored)) is not None:
            return Network(model, *found)
    raise UserError(f"{stored.path}: does not say of which network it is: name it with --preset (`harness list presets`)")


def preset(name: str) -> Network:
    """A preset's network. Raises: UserError for an unknown name."""
    found = registry().preset(name, where="--preset")
    return Network(registry().get(Model, found.model, where=f"preset {name}"), found.config, found.spec)
