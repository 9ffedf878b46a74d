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
from harness.weights.comparison import WITHOUT_VALUES, casts, check, check_numbers, have_same_values
from harness.weights.layouts import Layout
from harness.weights.stored import Stored, read
from harness.weights.table_choice import Choice, Wanted, choose


@dataclass(frozen=True)
class NetworkFile:
    """A file with the weights of a network, or of a part of it.

    Args:
        part: name of the part, as in `harness.presets.WeightsFile`; empty for the network itself.
        table: name of the table in the file that is read; empty leaves the choice to the names in the file.
    """

    path: Path
    part: str = ""
    table: str = ""


@dataclass(frozen=True)
class TableRead:
    """The table of a file whose tensors were read.

    Args:
        path: the file.
        part: the part of the network that the file holds; "" for the network itself.
        table: the name of the table; "" for the top of the file.
        is_averaged: whether the name says that its weights are averaged.
        not_read: titles of the other tables that fit the network.
        casts: types of numbers that become others in the network, such as `float16 was read as float32`.
    """

    path: Path
    part: str
    table: str
    is_averaged: bool
    not_read: tuple[str, ...]
    casts: tuple[str, ...]

    @property
    def remark(self) -> str:
        """One line for the user; "" where the file's only table stands at its top and nothing was cast."""
        kind, verb = ("the averaged weights", "were") if self.is_averaged else ("the table", "was")
        table = f"{kind} {self.table!r}" if self.table else "the top of the file"
        others = f", not {', '.join(self.not_read)}" if self.not_read else ""
        facts = [f"{table} {verb} read{others}"] if self.table or self.not_read else []
        facts += [f"{', '.join(self.casts)}"] if self.casts else []
        return f"{self.path}: {'; '.join(facts)}" if facts else ""

    @property
    def facts(self) -> dict[str, object]:
        """The table as records and headers hold it: JSON values."""
        return {"part": self.part, "table": self.table, "not_read": list(self.not_read), "casts": list(self.casts)}


@dataclass(frozen=True)
class Found:
    """All tensors of some files by the network's names, and which table of each file they are."""

    tensors: Mapping[str, Tensor]
    tables: tuple[TableRead, ...]


def layout(model: Model) -> Layout:
    """Return the rules by which the files of the model's family name their tensors."""
    return Target[type[Layout]](model.layout).load(where=f"{model.title}, layout")() if model.layout else Layout()


def find(files: Sequence[NetworkFile], model: Model, network: torch.nn.Module) -> Found:
    """Return all tensors of the files by the network's names, after checking that they fit and that their values are finite.

    Args:
        network: the network to compare with; it may be on the meta device.
    Raises: UserError for a file that cannot be read, for a file whose header names another model, for a file of which several
        tables fit and none is chosen, for a part that two files hold with other values, and for tensors that do not fit. In the
        last case, the message lists the first names that are missing, unexpected, or of another shape.
    """
    expected, parts = network.state_dict(), {file.part for file in files if file.part}
    where = f"{', '.join(str(file.path) for file in files)}: not of this {model.name}"
    by_name: dict[str, Tensor] = {}
    tables = []
    for file in sorted(files, key=lambda file: file.part != ""):
        stored = read(file.path)
        _check_header(stored, model)
        choice = choose(stored, layout(model), _wanted(file.part, parts, network, expected), file.table)
        prefix = f"{file.part}." if file.part else ""
        tensors = {prefix + name: value for name, value in _tensors(choice, file.path).items()}
        _refuse_other_values(by_name, tensors, file, expected)
        by_name.update(tensors)
        tables.append(_table_read(file, choice, tensors, expected))
    check(by_name, expected, where=where)
    check_numbers(by_name, expected, where=", ".join(str(file.path) for file in files))
    return Found(by_name, tuple(tables))


@dataclass(frozen=True)
class PartContent:
    """The content of a file with a network, or with a part of it; its tensors may be on the meta device."""

    stored: Stored
    part: str


def check_contents(contents: Sequence[PartContent], model: Model, network: torch.nn.Module, *, others: Sequence[str]) -> None:
    """Check that the contents of some files have the names and shapes of a network.

    Args:
        others: parts of the network that are not among the contents, and are not compared.
    Raises: UserError, which lists the first names that are missing, unexpected, or of another shape.
    """
    parts = {content.part for content in contents if content.part} | {part for part in others if part}
    expected = network.state_dict()
    for content in contents:
        wanted = _wanted(content.part, parts, network, expected)
        candidate = choose(content.stored, layout(model), wanted).candidate
        if candidate.differences is None:
            raise UserError(candidate.fault)
        tensors = {name: value for name, value in candidate.tensors.items() if not name.startswith(wanted.elsewhere)}
        check(tensors, wanted.expected, where=f"{content.stored.path}: not of this {model.name}")


def module_tensors(path: Path, rules: Layout, module: torch.nn.Module, *, where: str) -> Mapping[str, Tensor]:
    """Return the tensors of one file for a module that stands apart, such as an autoencoder that a model's settings name.

    Args:
        where: what the module is, with which the message on tensors that do not fit begins.
    Raises: UserError like `find`.
    """
    expected = module.state_dict()
    tensors = _tensors(choose(read(path), rules, Wanted(module, "", expected)), path)
    check(tensors, expected, where=where)
    check_numbers(tensors, expected, where=where)
    return tensors


def tensors(files: Sequence[NetworkFile], model: Model, network: torch.nn.Module) -> dict[str, Tensor]:
    """Return the tensors that `find` finds. Raises: UserError like `find`."""
    return dict(find(files, model, network).tensors)


def load(files: Sequence[NetworkFile], model: Model, network: torch.nn.Module) -> tuple[TableRead, ...]:
    """Fill the network with the tensors of the files, cast to the network's dtypes. Returns: which table of each file was read.

    Raises: UserError like `find`, before anything in the network has changed.
    """
    found = find(files, model, network)
    network.load_state_dict(dict(found.tensors))
    return found.tables


def _wanted(part: str, parts: set[str], network: torch.nn.Module, expected: Mapping[str, Tensor]) -> Wanted:
    if part:
        own = {name.removeprefix(f"{part}."): value for name, value in expected.items() if name.startswith(f"{part}.")}
        return Wanted(network, part, own)
    elsewhere = tuple(f"{other}." for other in sorted(parts))
    return Wanted(network, "", {name: value for name, value in expected.items() if not name.startswith(elsewhere)}, elsewhere)


def _tensors(choice: Choice, path: Path) -> Mapping[str, Tensor]:
    if choice.candidate.differences is None:
        raise UserError(choice.candidate.fault)
    for name, value in choice.candidate.table.tensors.items():
        if value.is_meta:
            raise UserError(f"{path}: {name} {WITHOUT_VALUES}")
    return choice.candidate.tensors


def _refuse_other_values(
    held: Mapping[str, Tensor], brought: Mapping[str, Tensor], file: NetworkFile, expected: Mapping[str, Tensor]
) -> None:
    """Raises: UserError where the network's own file holds tensors of the part too, with other values or values of no use."""
    shared = [name for name in brought if name in held]
    known = [name for name in shared if name in expected]
    check_numbers({name: brought[name] for name in known}, expected, where=str(file.path))
    check_numbers({name: held[name] for name in known}, expected, where=f"the file that {file.path} is a part of")
    for name in shared:
        if not have_same_values(held[name], brought[name]):
            raise UserError(
                f"{file.path}: brings the part {file.part!r}, which the file of the network (or of the model's settings) holds "
                f"too, and {name} has other values there: leave one of the two out"
            )


def _table_read(file: NetworkFile, choice: Choice, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> TableRead:
    table = choice.candidate.table
    known = {name: value for name, value in tensors.items() if name in expected}
    return TableRead(
        file.path, file.part, table.name, bool(table.is_averaged), choice.not_read, tuple(casts(known, expected))
    )  # fmt: skip


def _check_header(stored: Stored, model: Model) -> None:
    name = stored.config.get("model") if stored.format == "safetensors" else None
    if isinstance(name, str) and name != model.name:
        raise UserError(f"{stored.path}: its header says that it is of the model {name!r}, not {model.name!r}")
