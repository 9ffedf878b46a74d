"""Published networks by name: settings, data, size, and files of weights. Importing this module costs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.interfaces import DataSpec


@dataclass(frozen=True)
class WeightsFile:
    """A file that somebody publishes.

    Args:
        name: name of the file.
        address: where the publisher says that the file is; empty where no address is known. The harness trusts a file by its
            sha256 alone.
        sha256: hash of the file, in hexadecimal; None until somebody has pinned it.
        part: the part of the network that the file holds: "" for the whole network; "tokenizer" for the tensors that stand
            behind `tokenizer.` in the network.
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
        config: settings of that model.
        spec: what the network generates.
        parameters: number of trainable scalars, as published. A part that is never trained does not count.
        files: the files of its weights; empty where none are published.
    """

    name: str
    model: str
    config: Config
    spec: DataSpec
    parameters: int
    files: tuple[WeightsFile, ...] = ()
