"""Say what a smoke run takes in the place of files that it does without, in sentences for its output and its page."""

from __future__ import annotations

from collections.abc import Iterator

from harness.board.bases import Loaded
from harness.board.board import Board
from harness.images.stand_in import is_stand_in


def stand_ins(board: Board) -> Iterator[str]:
    """Yield a sentence for each kind of files that a smoke run does without; nothing for any other board."""
    if board.dataset.component.is_made_up(board.dataset.settings):
        yield f"The examples of {board.dataset.name} are made up: they are noise."
    origins = {base.name: base.origin for base in board.named_bases}
    bases = [name for name, origin in origins.items() if isinstance(origin, Loaded) and origin.weights.is_stand_in]
    if bases:
        yield f"Random weights of tiny networks stand in for the published ones of {', '.join(bases)}."
    extractors = {column.extractor.name: column.extractor.component for column in board.columns if column.extractor is not None}
    if names := [name for name, extractor in extractors.items() if is_stand_in(extractor)]:
        yield f"Random features stand in for those of {', '.join(names)}."
    if board.is_smoke and (references := _references(board)):
        yield f"No published statistics are read ({', '.join(references)}): columns compare with draws of the dataset."


def _references(board: Board) -> list[str]:
    """Return the names of the published statistics that the board's file names."""
    return list(dict.fromkeys(entry.reference for entry in board.config.metrics.values() if entry.reference is not None))
