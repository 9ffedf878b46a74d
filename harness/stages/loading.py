"""Loads a base of a board from its files, and checks beforehand that this will work."""

from __future__ import annotations

import warnings

import torch

from harness.board.cells import Base
from harness.components import Model
from harness.errors import Faults, UserError, noted
from harness.interfaces import DataSpec
from harness.weights import network_files
from harness.weights.network_files import NetworkFile


def load(base: Base, network: torch.nn.Module) -> None:
    """Fill the network. Raises: UserError when a file is absent, has another hash, or does not fit."""
    assert base.weights is not None
    for file in base.weights.files:
        file.check()
    network_files.load(_sources(base), base.model.of(Model), network)


def check(base: Base) -> None:
    """What `load` checks, and whether the data is what the preset generates, without memory for a network.

    Raises: UserError as `load`, and for data of another shape or number of classes.
    """
    from harness.stages import context

    assert base.weights is not None
    faults: list[str] = []
    for file in base.weights.files:
        with noted(faults):
            file.check()
    if faults:
        raise Faults(faults)
    data = context.dataset(base.dataset).spec
    if base.weights.spec is not None:
        _check_data(base, data, base.weights.spec)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tokenizer's own file goes nowhere on this device, which is fine here
        network = base.model.of(Model).create(base.model.settings, base.weights.spec_on(data))
    network_files.tensors(_sources(base), base.model.of(Model), network)


def _check_data(base: Base, data: DataSpec, expected: DataSpec) -> None:
    assert base.weights is not None
    if data.shape != expected.shape:
        raise UserError(
            f"base {base.name}: {base.weights.preset} generates data of shape {expected.shape}, "
            f"and the dataset {base.dataset.name} has {data.shape}"
        )
    if expected.classes not in (0, data.classes):
        raise UserError(
            f"base {base.name}: {base.weights.preset} has {expected.classes} classes, "
            f"and the dataset {base.dataset.name} has {data.classes}"
        )


def _sources(base: Base) -> list[NetworkFile]:
    assert base.weights is not None
    return [NetworkFile(file.path, file.part) for file in base.weights.files]
