"""Published networks by name: settings, data, size, and where their weights are. Importing it costs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.interfaces import DataSpec


@dataclass(frozen=True)
class WeightsFile:
    """A file that somebody publishes.

    Args:
        name: of the file.
        address: where it is said to be; empty where no address is known. A file is trusted by its sha256 alone.
        sha256: of the file, in hexadecimal; None until somebody has pinned it.
        part: what it holds: "" for the whole network, or a part of it by its name: "tokenizer" means that the file's
            names stand behind `tokenizer.` in the network.
    """

    name: str
    address: str = ""
    sha256: str | None = None
    part: str = ""


@dataclass(frozen=True)
class Preset:
    """A published network, or a tiny one for smoke runs.

    Args:
        name: what boards and commands write.
        model: name of the model component that `config` is for.
        spec: what it generates.
        parameters: number of trainable scalars, as published; of a part that is never trained none.
        files: its weights; empty where none are published.
    """

    name: str
    model: str
    config: Config
    spec: DataSpec
    parameters: int
    files: tuple[WeightsFile, ...] = ()
