"""Load the weights of a base from its files, and check beforehand that this will work."""

from __future__ import annotations

import warnings

import torch

from harness.board.bases import Base, Loaded
from harness.errors import Faults, UserError, noted
from harness.interfaces import DataSpec
from harness.weights import network_files
from harness.weights.network_files import NetworkFile


def load(loaded: Loaded, network: torch.nn.Module) -> None:
    """Fill the network with the files' tensors. Raises: UserError when a file is absent, has another hash, or does not fit."""
    for file in loaded.files:
        file.check()
    network_files.load(_sources(loaded), loaded.model.component, network)


def check(base: Base, loaded: Loaded, data: DataSpec) -> None:
    """Check that `load` will work and that the network generates such data. No memory is taken for the network.

    Args:
        loaded: the origin of `base`.
        data: what the board's dataset holds.
    Raises: UserError like `load`, and for data of another shape or number of classes than the preset generates.
    """
    faults: list[str] = []
    for file in loaded.files:
        with noted(faults):
            file.check()
    if faults:
        raise Faults(faults)
    if loaded.weights.spec is not None:
        _check_data(base, loaded.weights.preset, data, loaded.weights.spec)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tokenizer that loads its own file warns that a meta tensor takes no values
        network = loaded.model.component.create(loaded.model.settings, loaded.spec_on(data))
    network_files.tensors(_sources(loaded), loaded.model.component, network)


def _check_data(base: Base, preset: str, data: DataSpec, expected: DataSpec) -> None:
    if data.shape != expected.shape:
        raise UserError(
            f"base {base.name}: {preset} generates data of shape {expected.shape}, "
            f"and the dataset {base.dataset.name} has {data.shape}"
        )
    if expected.classes not in (0, data.classes):
        raise UserError(
            f"base {base.name}: {preset} has {expected.classes} classes, and the dataset {base.dataset.name} has {data.classes}"
        )


def _sources(loaded: Loaded) -> list[NetworkFile]:
    return [NetworkFile(file.path, file.part) for file in loaded.files]
