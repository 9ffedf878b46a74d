"""Pretrained bases that are published beside a board's results: whoever adds a method then fine-tunes the very same weights.

A published base is the output of its pretraining as it stands in a runs folder: weights, training log, and the manifest that has
their hashes, the key and the code. Only the folder has another name. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base, Pretrained
from harness.board.board import Board
from harness.errors import UserError
from harness.report.collect import Collection
from harness.stages.facts import BaseFacts
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.files import remove_folder
from harness.store.manifests import MANIFEST
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder

STAGE = "base"
_SHORT = 12
"""Digits of a hash that messages show."""


@dataclass(frozen=True)
class BasesPlan:
    """A plan of publishing the bases of a board; `apply` carries it out.

    Args:
        folder: the folder of the published bases.
        copies: outputs of the runs folder, by the name that each one's folder gets.
        removed: names of folders whose base is not the one that the records are of.
        remarks: a line for each base that is not published, with the reason.
    """

    folder: Path
    copies: Mapping[str, Output]
    removed: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def megabytes(self) -> float:
        """The size of all copies, in 10⁶ bytes."""
        files = (output.folder / name for output in self.copies.values() for name in (MANIFEST, *output.files))
        return sum(file.stat().st_size for file in files) / 1e6

    def apply(self) -> None:
        """Copy and remove the folders. Each appears whole or not at all. Raises: StorageError."""
        for name in (*self.removed, *self.copies):
            remove_folder(self.folder / name)
        for name, output in self.copies.items():
            outputs.copy(output, self.folder / name)


def plan(merged: Collection, runs: RunsFolder, *, takes: bool) -> BasesPlan:
    """Plan to publish the bases of a board.

    Args:
        merged: the records that the board will have. Of a base that some of them start from, only their weights are published.
        takes: whether to take bases from the runs folder; else those that are published stay, as far as they fit the records.
    """
    folder = BoardFolder(merged.board.folder).bases
    copies: dict[str, Output] = {}
    kept: set[str] = set()
    remarks: list[str] = []
    for name, base in trained(merged.board).items():
        published = _whole(folder / name, base)
        fits = published is not None and misfit(published, base, merged) is None
        found = outputs.find(runs, STAGE, base.key) if takes else None
        fault = f"{runs.root} does not have it" if found is None else misfit(found, base, merged)
        if found is not None and fault is None:
            if published is not None and _are_same(found, published):
                kept.add(name)
            else:
                copies[name] = found
        elif fits:
            kept.add(name)
        elif takes:
            remarks.append(f"base {base.full_name} is not published: {fault}")
    removed = tuple(name for name in names(folder) if name not in kept and name not in copies)
    return BasesPlan(folder, copies, removed, tuple(remarks))


def trained(board: Board) -> dict[str, Base]:
    """Return the bases that cells of a board start from, or their samplers call, and that the board trains itself.

    Returns: bases by the names of their folders. Bases of several names with one network are one training, under the first name.
    A step of pretraining before the last one is no such base.
    """
    found: dict[str, Base] = {}
    rows = {id(cell.row): cell.row for cell in board.cells if cell.skip_reason is None}.values()
    waiting = [base for row in rows for base in (row.base, *row.sampler.bases)]
    while waiting:
        base = waiting.pop(0)
        if base.key not in found and isinstance(base.origin, Pretrained):
            found[base.key] = base
            waiting += base.origin.sampler.bases
    return {_name(base): base for base in found.values()}


def read(board: Board) -> Iterator[tuple[Base, Output]]:
    """Yield the published bases of the keys that the board gives its bases now. Raises: UserError for a damaged one."""
    folder = BoardFolder(board.folder).bases
    for name, base in trained(board).items():
        try:
            published = outputs.read_copy(folder / name, STAGE, base.key)
        except UserError as error:
            raise UserError(f"{error}; restore the folder, or remove it: the base is trained then") from error
        if published is not None:
            yield base, published


def misfit(output: Output, base: Base, collection: Collection) -> str | None:
    """Return why the weights of a base are not those that the records start from; None where they are, or no record is there."""
    outcomes = (collection.records.get(cell.name) for cell in collection.board.cells if cell.base.key == base.key)
    of_records = {outcome.base_weights_sha256 for outcome in outcomes if outcome is not None and outcome.base_weights_sha256}
    weights = BaseFacts.of(output).weights_sha256
    if not of_records or weights in of_records:
        return None
    others = ", ".join(sorted(sha256[:_SHORT] for sha256 in of_records))
    return f"its weights are {weights[:_SHORT]}, and the records are of {others}"


def faults(collection: Collection) -> list[str]:
    """Return a line for each published base that is damaged, or of other weights than the published records."""
    folder = BoardFolder(collection.board.folder).bases
    found = []
    for name, base in trained(collection.board).items():
        try:
            output = outputs.read_copy(folder / name, STAGE, base.key)
        except UserError as error:
            found.append(str(error))
            continue
        if output is not None and (fault := misfit(output, base, collection)) is not None:
            found.append(f"{folder / name}: {fault}")
    return found


def current(board: Board) -> int:
    """Return how many current bases are published, by their manifests alone."""
    folder = BoardFolder(board.folder).bases
    return sum((folder / name).is_dir() and not _is_other(folder / name, base) for name, base in trained(board).items())


def passed_over(board: Board) -> list[str]:
    """Return the published bases that count for nothing: of older settings, or of no base of the board."""
    folder = BoardFolder(board.folder).bases
    current = trained(board)
    return [name for name in names(folder) if name not in current or _is_other(folder / name, current[name])]


def names(folder: Path) -> list[str]:
    """Return the names of the published bases; none where there is no such folder."""
    found = os.listdir(folder) if folder.is_dir() else []
    return sorted(name for name in found if not name.startswith("."))


def _name(base: Base) -> str:
    return base.name if base.paired_seed is None else f"{base.name}__s{base.paired_seed}"


def _whole(folder: Path, base: Base) -> Output | None:
    """Return the published base in a folder; None where it is absent, damaged or another one."""
    try:
        return outputs.read_copy(folder, STAGE, base.key)
    except UserError:
        return None


def _is_other(folder: Path, base: Base) -> bool:
    """Return whether an undamaged folder holds another output than this base."""
    try:
        return outputs.read_copy(folder, STAGE, base.key, compares_files=False) is None
    except UserError:
        return False


def _are_same(first: Output, second: Output) -> bool:
    return (first.files, first.facts) == (second.files, second.facts)
