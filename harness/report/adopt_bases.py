"""Take published bases as trained, so that cells start from the weights that the published records start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from harness.board.bases import Base
from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import UserError
from harness.report.base_copies import STAGE, copy, read_copy
from harness.report.collect import collect_published, collect_runs
from harness.report.phrases import listed
from harness.report.published_bases import bases_folder, misfit, names, possible
from harness.stages import renewal
from harness.stages.facts import BaseFacts
from harness.store import outputs
from harness.store.files import exists
from harness.store.lease import Busy, lease
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder

NAMED = 6
"""Cells that a line names; it counts the others."""


def adoptable(board: Board, cells: Sequence[Cell], runs: RunsFolder, *, compares_files: bool = True) -> list[tuple[Base, Output]]:
    """Return the published bases that these cells need and the runs folder does not have, or has damaged.

    One that is to be made anew is left out, and so is one of other weights than the published records.

    Args:
        compares_files: False to leave the weights unread, where nothing is copied.
    Raises: UserError for a damaged one.
    """
    folder, wanted = bases_folder(board), _published(board, cells)
    if not wanted:
        return []
    published, found = collect_published(board, faults=[]), []
    for name, base in wanted.items():
        if outputs.find(runs, STAGE, base.key) is not None or exists(runs.fresh("base", base.key)):
            continue
        try:
            output = read_copy(folder / name, base.key, compares_files=compares_files)
        except UserError as error:
            raise UserError(f"{error}; restore the folder, or remove it: the base is trained then") from error
        if output is not None and misfit(output, base, published) is None:
            found.append((base, output))
    return found


def adopt(board: Board, cells: Sequence[Cell], runs: RunsFolder) -> int:
    """Copy the adoptable bases into the runs folder, byte by byte. One that another process trains now is left to it.

    Returns: how many bases were copied. Raises: UserError for a damaged published base; StorageError.
    """
    return sum(_copied(base, published, runs) for base, published in adoptable(board, cells, runs))


def seconds(board: Board) -> dict[str, float]:
    """Return what the training of each published base took, by key. One that is damaged is left out."""
    took: dict[str, object] = {}
    for name, base in _published(board, board.cells).items():
        with suppress(UserError):
            if (output := read_copy(bases_folder(board) / name, base.key, compares_files=False)) is not None:
                took[base.key] = output.facts.get("seconds")
    return {key: each for key, each in took.items() if isinstance(each, float)}


def mismatches(board: Board, cells: Sequence[Cell], runs: RunsFolder) -> Iterator[str]:
    """Yield a line for each published base that does not go with the published records, or with what the runs folder has.

    Cells would be compared with published cells of another network.
    """
    folder, wanted = bases_folder(board), _published(board, cells)
    if not wanted:
        return
    published, starts = collect_published(board, faults=[]), _starts(board, runs)
    for name, base in wanted.items():
        output = None
        with suppress(UserError):
            output = read_copy(folder / name, base.key, compares_files=False)
        if output is None:
            continue
        weights, here = BaseFacts.of(output).weights_sha256, outputs.find_facts(runs, STAGE, base.key)
        others = [cell for cell, of_bases in starts.items() if of_bases.get(base.key, weights) != weights]
        users = {cell.base.name: None for cell in board.cells if cell.name in others} or [base.name]
        anew = f"make these cells anew (--fresh base={','.join(users)})"
        if (fault := misfit(output, base, published)) is not None:
            yield f"{folder / name} is not taken: {fault}"
        elif here is not None and here.get("weights_sha256") != weights:
            yield (
                f"base {base.full_name}: {runs.root} has other weights than are published, and cells use those; to use "
                f"the published ones, remove {runs.stage(STAGE, base.key)}, and {anew}"
            )
        elif others:
            yield (
                f"base {base.full_name}: records in {runs.root} use other weights than are published: "
                f"{listed(others, NAMED)}; to use the published ones, {anew}"
            )


def _published(board: Board, cells: Sequence[Cell]) -> dict[str, Base]:
    """Return the bases that these cells need and that have a folder among the published ones, by its name."""
    there = set(names(bases_folder(board)))
    return {name: base for name, base in possible(board, cells).items() if name in there} if there else {}


def _starts(board: Board, runs: RunsFolder) -> dict[str, dict[str, str]]:
    """Return the weights that the records of a runs folder start from or call, by the key of the base, by cell."""
    with suppress(UserError):  # a damaged record is said, and made anew, by the run
        here = collect_runs(board, runs).records
        started = ((cell, here[cell.name]) for cell in board.cells if cell.name in here)
        weights = ((cell, {cell.base.key: record.base_weights_sha256, **dict(record.called_weights)}) for cell, record in started)
        return {cell.name: {key: sha256 for key, sha256 in of_bases.items() if sha256} for cell, of_bases in weights}
    return {}


def _copied(base: Base, published: Output, runs: RunsFolder) -> bool:
    try:
        with lease(runs.lease(STAGE, base.key), wait=False):
            if outputs.find(runs, STAGE, base.key) is not None:
                return False
            renewal.set_aside_output(runs, STAGE, base.key)  # a damaged one, and checkpoints of other weights
            copy(published, runs.stage(STAGE, base.key))
            return True
    except Busy:
        return False
