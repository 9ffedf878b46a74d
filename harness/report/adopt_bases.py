"""Take published bases as trained, so that cells start from the weights that the published records start from."""

from __future__ import annotations

from collections.abc import Iterator

from harness.board.bases import Base
from harness.board.board import Board
from harness.report.base_copies import STAGE, copy
from harness.report.published_bases import read
from harness.stages import renewal
from harness.stages.facts import BaseFacts
from harness.store import outputs
from harness.store.files import exists
from harness.store.lease import Busy, lease
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder


def adoptable(board: Board, runs: RunsFolder) -> list[tuple[Base, Output]]:
    """Return the published bases that the runs folder does not have, or has damaged, and that are not to be made anew.

    Raises: UserError for a damaged published one.
    """
    return [
        (base, published)
        for base, published in read(board)
        if outputs.find(runs, STAGE, base.key) is None and not exists(runs.fresh("base", base.key))
    ]


def adopt(board: Board, runs: RunsFolder) -> int:
    """Copy the adoptable bases into the runs folder, byte by byte. One that another process trains now is left to it.

    Returns: how many bases were copied. Raises: UserError for a damaged published base; StorageError.
    """
    return sum(_copied(base, published, runs) for base, published in adoptable(board, runs))


def others(board: Board, runs: RunsFolder) -> Iterator[str]:
    """Yield a line for each base that the runs folder has with other weights than the published one.

    Its cells would be compared with published cells of another network. Raises: UserError for a damaged published base.
    """
    for base, published in read(board):
        found = outputs.find(runs, STAGE, base.key)
        if found is not None and BaseFacts.of(found).weights_sha256 != BaseFacts.of(published).weights_sha256:
            yield (
                f"base {base.full_name}: {runs.root} has other weights than are published, and cells start from those; "
                f"to start from the published ones, remove {found.folder}"
            )


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
