"""Published networks by name: settings, data, size, and where their weights are. Importing it costs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.interfaces import DataSpec


@dataclass(frozen=True)
class Preset:
    """A published network.

    Args:
        name: what boards and commands write.
        model: name of the model component that `config` is for.
        spec: what it generates.
        parameters: number of trainable scalars, as published.
        file: name of the file with its weights; empty where none is published.
        address: where that file is said to be; empty where it is not known. Nothing downloads from it yet, and a file is
            to be trusted by its sha256, not by its address.
        sha256: of the file; None until somebody has pinned it.
    """

    name: str
    model: str
    config: Config
    spec: DataSpec
    parameters: int
    file: str = ""
    address: str = ""
    sha256: str | None = None
