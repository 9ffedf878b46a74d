"""Pretrained bases that are published beside a board's results: whoever adds a method then fine-tunes the very same weights.

A published base is the output of its pretraining as it stands in a runs folder: weights, training log, and the manifest that has
their hashes, the key and the code. Only the folder has another name. Where a base of several steps is not published, the last
of its steps that was trained may stand there in its place: its bases of other seeds may share it. Imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.board.bases import Base, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import UserError
from harness.report.base_copies import read_copy
from harness.report.collect import Collection
from harness.run.fresh import bases_of
from harness.stages.facts import BaseFacts
from harness.store.outputs import Output

_SHORT = 12
"""Digits of a hash that messages show."""


def bases_folder(board: Board) -> Path:
    """Return the folder of a board's published bases: `leaderboards/NAME/bases`."""
    return board.folder / "bases"


def trained(board: Board) -> dict[str, Base]:
    """Return the bases that cells of a board start from, or their samplers call, and that the board trains itself.

    Returns: bases by the names of their folders. Bases of several names with one network are one training, under the first name.
    A step of pretraining before the last one is no such base; see `steps_of`.
    """
    return {_name(base): base for base in _trained(board.cells).values()}


def _trained(cells: Iterable[Cell]) -> dict[str, Base]:
    """Return the bases that cells start from, or their samplers call, and that are pretrained, by key."""
    wanted = (cell for cell in cells if cell.skip_reason is None)
    bases = bases_of(wanted, goes_back=lambda _: False)
    return {base.key: base for base in bases if isinstance(base.origin, Pretrained)}


def possible(board: Board, cells: Iterable[Cell] | None = None) -> dict[str, Base]:
    """Return all bases and steps that may be published, by the names of their folders.

    Args:
        cells: where they are given, only what these start from.
    """
    of_board = {name: step for stem, base in trained(board).items() for name, step in steps_of(stem, base)}
    if cells is None:
        return of_board
    keys = {step.key for base in _trained(cells).values() for _, step in steps_of("", base)}
    return {name: base for name, base in of_board.items() if base.key in keys}


def steps_of(name: str, base: Base) -> Iterator[tuple[str, Base]]:
    """Yield a base and the bases that its earlier steps of pretraining make, the last step first, by the names of their folders.

    Args:
        name: that of the base's folder.
    """
    yield name, base
    for number, step in zip(range(len(base.origin.steps) - 1, 0, -1), reversed(base.origin.steps), strict=False):
        if step.after is not None:
            yield f"{name}__step{number}", step.after


def has_records(base: Base, collection: Collection) -> bool:
    """Return whether records start from a base, and say from which weights."""
    return bool(_weights_of_records(base, collection))


def misfit(output: Output, base: Base, collection: Collection) -> str | None:
    """Return why the weights of a base are not those that the records start from; None where they are, or no record is there."""
    of_records = _weights_of_records(base, collection)
    weights = BaseFacts.of(output).weights_sha256
    if not of_records or weights in of_records:
        return None
    others = ", ".join(sorted(sha256[:_SHORT] for sha256 in of_records))
    return f"its weights are {weights[:_SHORT]}, and the records are of {others}"


def _weights_of_records(base: Base, collection: Collection) -> set[str]:
    cells = (cell for cell in collection.board.cells if cell.name in collection.records)
    return {collection.records[cell.name].weights_of(base.key, cell.base.key) for cell in cells} - {""}


def faults(collection: Collection) -> list[str]:
    """Return a line for each published base that is damaged, or of other weights than the published records."""
    folder = bases_folder(collection.board)
    if folder.exists() and not folder.is_dir():
        return [f"{folder}: a file stands where a folder must be; move it away"]
    found = []
    for name, base in possible(collection.board).items():
        try:
            output = read_copy(folder / name, base.key)
        except UserError as error:
            found.append(str(error))
            continue
        if output is not None and (fault := misfit(output, base, collection)) is not None:
            found.append(f"{folder / name}: {fault}")
    return found


def current(board: Board) -> int:
    """Return how many current bases are published, by their manifests alone."""
    folder = bases_folder(board)
    return sum((folder / name).is_dir() and not _is_other(folder / name, base) for name, base in trained(board).items())


def passed_over(board: Board) -> list[str]:
    """Return the published bases that count for nothing: of older settings, or of no base of the board."""
    folder = bases_folder(board)
    known = possible(board)
    return [name for name in names(folder) if name not in known or _is_other(folder / name, known[name])]


def names(folder: Path) -> list[str]:
    """Return the names of the published bases; none where there is no such folder."""
    found = os.listdir(folder) if folder.is_dir() else []
    return sorted(name for name in found if not name.startswith("."))


def _name(base: Base) -> str:
    return base.name if base.paired_seed is None else f"{base.name}__s{base.paired_seed}"


def _is_other(folder: Path, base: Base) -> bool:
    """Return whether an undamaged folder holds another output than this base."""
    try:
        return read_copy(folder, base.key, compares_files=False) is None
    except UserError:
        return False
