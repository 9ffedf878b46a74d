"""Load the weights of a base from its files, and check beforehand that this will work."""

from __future__ import annotations

import warnings

import torch

from harness.board.bases import Base, Loaded
from harness.errors import Faults, UserError, noted
from harness.interfaces import DataSpec
from harness.weights import network_files
from harness.weights.network_files import NetworkFile, TableRead

_CHECKED: dict[str, tuple[TableRead, ...]] = {}
"""The tables of the files that this process has checked, by the files' hashes and the network's settings."""


def load(loaded: Loaded, network: torch.nn.Module) -> tuple[TableRead, ...]:
    """Fill the network with the files' tensors. Returns: which table of each file was read.

    A smoke run's stand-in keeps its initial weights. Raises: UserError when a file is absent, has another hash, has changed since
    the board was read, or does not fit.
    """
    if loaded.weights.is_stand_in:
        return ()
    loaded.weights.check()
    return network_files.load(_sources(loaded), loaded.model.component, network)


def check(base: Base, loaded: Loaded, data: DataSpec) -> list[str]:
    """Check that `load` will work and that the network generates such data. No memory is taken for the network.

    A process reads the same files for the same network once.

    Args:
        loaded: the origin of `base`.
        data: what the board's dataset holds.
    Returns: a remark for each file of which the user should know what was read: the table, or a cast of its numbers.
    Raises: UserError like `load`, and for data of another shape or number of classes than the preset generates.
    """
    if (fault := loaded.weights.data_fault(data, base.dataset.name)) is not None:
        raise UserError(f"base {base.name}: {fault}")
    if loaded.weights.is_stand_in:
        return []
    faults: list[str] = []
    for file in loaded.files:
        with noted(faults):
            file.check()
    if faults:
        raise Faults(faults)
    facts = (base.key, loaded.model.identity, [str(file.path) for file in loaded.files], loaded.spec_on(data))
    if repr(facts) not in _CHECKED:
        _CHECKED[repr(facts)] = _read(loaded, data)
    return [f"base {base.name}: {table.remark}" for table in _CHECKED[repr(facts)] if table.remark]


def _read(loaded: Loaded, data: DataSpec) -> tuple[TableRead, ...]:
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tokenizer that loads its own file warns that a meta tensor takes no values
        network = loaded.model.component.create(loaded.model.settings, loaded.spec_on(data))
    return network_files.find(_sources(loaded), loaded.model.component, network).tables


def _sources(loaded: Loaded) -> list[NetworkFile]:
    return [NetworkFile(file.path, file.part, file.table) for file in loaded.files]
