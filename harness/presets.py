"""Published networks by name: settings, data, size, and files of weights. Importing this module costs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from harness.config import Config
from harness.interfaces import DataSpec


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Args:
        name: name of the file.
        address: URL that the publisher gives; empty where none is known. The harness does not trust the address: it identifies
            a file by its sha256 alone.
        sha256: hash of the file, in hexadecimal; None until somebody has pinned it.
        part: the part of the network that the file holds: "" for the whole network; "tokenizer" for the tensors whose names
            in the network begin with `tokenizer.`.
        size_bytes: size of the file, as published; None where nobody has said it.
    """

    name: str
    address: str = ""
    sha256: str | None = None
    part: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True)
class PublishedNames:
    """The names and shapes of the tensors in a published file, which a plugin brings as a list.

    Args:
        resource: "package:path" of the list in the plugin's package: a JSON object, compressed by gzip, which gives for each name
            the shape and the type of the numbers, such as `[[3, 64], "float32"]`.
        part: the part of the network that the file holds, as in `WeightsFile`.
    """

    resource: str
    part: str = ""


@dataclass(frozen=True)
class Preset:
    """A published network, or a tiny one for smoke runs.

    Args:
        name: the name by which boards and commands choose the preset.
        model: name of the model component that `config` is for.
        config: settings of that model.
        spec: shape and classes of the examples that the network generates.
        parameters: number of trainable scalars, as published. Parts that are never trained are not counted.
        files: the files of its weights; empty where none are published.
        fine_tuned_by: who fine-tuned the weights, such as `DDO`; empty for a base. A board may show such weights beside its own.
        note: what a user must know before using the weights: a licence, or that they are others than the name suggests. Runs and
            pages of boards that use the preset show it.
        names: lists of the tensors in the files of its weights, with which `harness run --rehearse` compares the network; a file
            that others fine-tuned has those of its base. Empty where no list is known.
    """

    name: str
    model: str
    config: Config
    spec: DataSpec
    parameters: int
    files: tuple[WeightsFile, ...] = ()
    fine_tuned_by: str = ""
    note: str = ""
    names: tuple[PublishedNames, ...] = ()
