"""Conformance of presets and layouts: what a plugin says of published networks and their files is true of what it builds."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import torch
from torch import nn

from harness.components import Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness.targets import Target
from harness.testing.expect import expect
from harness.testing.models import build, buildable_spec
from harness.weights import network_files, state_dicts, stored
from harness.weights.layouts import Layout
from harness.weights.network_files import NetworkFile
from harness.weights.published_names import check_names


def check_preset(preset: Preset, model: Model) -> None:
    """Check that a preset says of its network and files what is true. No memory is taken for the network.

    Args:
        model: the component that the preset names.
    """
    where = f"preset {preset.name}"
    expect(preset.model == model.name, f"{where} is of the model {preset.model}, not of {model.name}")
    is_config = isinstance(preset.config, model.config)
    expect(is_config, f"{where}: config is a {type(preset.config).__name__}, and {model.name} takes {model.config.__name__}")
    is_plain = preset.name and preset.name == preset.name.lower() and not set(preset.name) & set(" _/:,=×.")
    expect(is_plain, f"{where}: a name has lower case, words joined by hyphens, and no dot: a board takes a dot for a path")
    with torch.device("meta"):
        network = model.create(preset.config, preset.spec)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    expect(trainable == preset.parameters, f"{where}: says {preset.parameters:,} parameters, and the network has {trainable:,}")
    for file in preset.files:
        check_weights_file(file, network, where=where)
    try:
        check_names(preset, model, network)
    except UserError as error:
        raise AssertionError(f"{where}: {error}") from error


def check_weights_file(file: WeightsFile, network: nn.Module, *, where: str) -> None:
    """Check that a file has a plain name, an address and a hash of the right form, and a part that the network has."""
    expect(file.name and PurePath(file.name).name == file.name, f"{where}: {file.name!r} is no plain file name")
    is_address = not file.address or re.fullmatch(r"https?://\S+", file.address)
    expect(is_address, f"{where}: the address {file.address!r} is no URL")
    is_hash = file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
    expect(is_hash, f"{where}: the sha256 of {file.name} is no 64 lower-case hex digits")
    has_part = not file.part or any(name.startswith(f"{file.part}.") for name in network.state_dict())
    expect(has_part, f"{where}: no tensor of the network begins with {file.part}., the part in {file.name}")


def check_layout(model: Model, *, config: Config | None = None, spec: DataSpec | None = None) -> None:
    """Check that a model's layout reads files of the network's own names, plain and wrapped, and describes no strange file.

    Files of other trainers are the plugin's own tests: only its author knows them.

    Args:
        config: settings of the network; the component's defaults with `smoke` if absent.
        spec: data that the model can be built for; the first fitting one of `harness.testing.models.SPECS` if absent.
    """
    expect(model.layout, f"{model.name} names no layout; files then use the network's own names")
    layout = Target[type[Layout]](model.layout).load()
    expect(isinstance(layout, type) and issubclass(layout, Layout), f"{model.layout} is no class derived from Layout")
    config = config or model.config(**model.smoke)
    network = build(model, config, spec or buildable_spec(model, config))
    tensors = state_dicts.snapshot(network)
    with TemporaryDirectory() as folder:
        plain, wrapped, strange = (Path(folder) / name for name in ("plain.safetensors", "wrapped.pt", "strange.safetensors"))
        state_dicts.save(tensors, plain)
        torch.save({"state_dict": {f"module.{name}": value for name, value in tensors.items()}}, wrapped)
        state_dicts.save({"nobody.knows.this": torch.zeros(2)}, strange)
        for path in (plain, wrapped):
            found = network_files.find([NetworkFile(path)], model, network).tensors
            moved = [name for name, value in tensors.items() if not torch.equal(found[name], value)]
            expect(
                not moved, f"{model.layout} reads other values from the network's own file, {path.stem}: {', '.join(moved[:3])}"
            )
        described = layout().describe(stored.read(strange))
        expect(described is None, f"{model.layout} describes a file of another family as {described}; give None")
