"""Do these tensors fit that network? And if so, in with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
"""Names that a message lists of each kind of difference."""


@dataclass(frozen=True)
class Source:
    """A file for a network, or for a part of it, by the part's name as in `harness.presets.WeightsFile`."""

    path: Path
    part: str = ""


def layout(model: Model) -> Layout:
    """How the model's files name their tensors."""
    return Target[type[Layout]](model.layout).load()() if model.layout else Layout()


def tensors(sources: Sequence[Source], model: Model, network: torch.nn.Module) -> dict[str, Tensor]:
    """All tensors of the files by the network's names, checked. `network` may be on the meta device.

    Raises: UserError as `read`, and for files that do not fit: the first names that are missing, unexpected, or of
    another shape, with both shapes.
    """
    found: dict[str, Tensor] = {}
    rules = layout(model)
    for source in sources:
        stored = read(source.path)
        prefix = f"{source.part}." if source.part else ""
        found.update({prefix + name: value for name, value in rules.tensors(stored, network, source.part).items()})
        _check_header(stored, model)
    check(found, network.state_dict(), where=f"{', '.join(str(one.path) for one in sources)}: not of this {model.name}")
    return found


def load(sources: Sequence[Source], model: Model, network: torch.nn.Module) -> None:
    """Fill the network. Numbers are cast to its own types. Raises: UserError as `tensors`; then it is as it was."""
    network.load_state_dict(tensors(sources, model, network))


def check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: str) -> None:
    """Raises: UserError unless names and shapes are the same."""
    missing = [f"{name} {_shape(expected[name])}" for name in expected if name not in found]
    strange = [f"{name} {_shape(found[name])}" for name in found if name not in expected]
    differs = [
        f"{name} is {_shape(found[name])} in the file and {_shape(value)} in the network"
        for name, value in expected.items()
        if name in found and found[name].shape != value.shape
    ]
    kinds = (("missing", missing), ("unexpected", strange), ("another shape", differs))
    if any(names for _, names in kinds):
        said = "; ".join(f"{len(names)} {kind}: {_first(names)}" for kind, names in kinds if names)
        raise UserError(f"{where}: {said}. Is it another preset's file, or are the model's settings others?")


def _check_header(stored: Stored, model: Model) -> None:
    said = stored.config.get("model") if stored.format == "safetensors" else None
    if isinstance(said, str) and said != model.name:
        raise UserError(f"{stored.path}: its header says that it is of the model {said!r}, not {model.name!r}")


def _shape(value: Tensor) -> str:
    return f"({', '.join(map(str, value.shape))})"


def _first(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:SHOWN]) + (", …" if len(listed) > SHOWN else "")
