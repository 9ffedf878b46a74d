"""Loading of weights from files into a network. Names and shapes are compared first; nothing is loaded unless all of them fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.components import Model
from harness.errors import UserError
from harness.targets import Target
from harness.weights.layouts import Layout
from harness.weights.stored import Stored, read

SHOWN = 4
"""How many names of each kind of difference a message lists."""


@dataclass(frozen=True)
class NetworkFile:
    """A file with the weights of a network, or of a part of it.

    Args:
        part: name of the part, as in `harness.presets.WeightsFile`; empty for the network itself.
    """

    path: Path
    part: str = ""


def layout(model: Model) -> Layout:
    """Return the rules by which the files of the model's family name their tensors."""
    return Target[type[Layout]](model.layout).load(where=f"{model.title}, layout")() if model.layout else Layout()


def tensors(files: Sequence[NetworkFile], model: Model, network: torch.nn.Module) -> dict[str, Tensor]:
    """Return all tensors of the files by the network's names, after checking that they fit.

    Args:
        network: the network to compare with; it may be on the meta device.
    Raises: UserError for a file that cannot be read, for a file whose header names another model, and for tensors that do not
    fit. In the last case, the message lists the first names that are missing, unexpected, or of another shape.
    """
    rules = layout(model)
    by_name: dict[str, Tensor] = {}
    for file in files:
        stored = read(file.path)
        prefix = f"{file.part}." if file.part else ""
        by_name.update({prefix + name: value for name, value in rules.tensors(stored, network, file.part).items()})
        _check_header(stored, model)
    check(by_name, network.state_dict(), where=f"{', '.join(str(file.path) for file in files)}: not of this {model.name}")
    return by_name


def load(files: Sequence[NetworkFile], model: Model, network: torch.nn.Module) -> None:
    """Fill the network with the tensors of the files, cast to the network's dtypes.

    Raises: UserError like `tensors`, before anything in the network has changed.
    """
    network.load_state_dict(tensors(files, model, network))


def check(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: str) -> None:
    """Raises: UserError, beginning with `where`, unless both have the same names and shapes. Values are not compared."""
    missing = [f"{name} {_shape(expected[name])}" for name in expected if name not in actual]
    unexpected = [f"{name} {_shape(actual[name])}" for name in actual if name not in expected]
    other_shape = [
        f"{name} is {_shape(actual[name])} in the file and {_shape(value)} in the network"
        for name, value in expected.items()
        if name in actual and actual[name].shape != value.shape
    ]
    differences = {"missing": missing, "unexpected": unexpected, "another shape": other_shape}
    if any(differences.values()):
        listed = "; ".join(f"{len(names)} {kind}: {_first(names)}" for kind, names in differences.items() if names)
        raise UserError(f"{where}: {listed}. Is it another preset's file, or are the model's settings others?")


def _check_header(stored: Stored, model: Model) -> None:
    name = stored.config.get("model") if stored.format == "safetensors" else None
    if isinstance(name, str) and name != model.name:
        raise UserError(f"{stored.path}: its header says that it is of the model {name!r}, not {model.name!r}")


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
