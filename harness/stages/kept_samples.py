"""A cell that keeps only the first of its samples (`evaluation.keep_samples`), and the features of them all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import Extractor
from harness.stages import features
from harness.stages.context import Context
from harness.stages.example_sets import IdentifiedImages, stored_images
from harness.stages.facts import SampleFacts
from harness.stages.sample_file import SampleFile
from harness.weights import tensor_rows
from harness.weights.tensor_rows import TensorRows

ROWS_AT_ONCE = 256


def is_of_all(cell: Cell) -> bool:
    """Return whether the cell keeps all of its samples."""
    kept = cell.evaluation.keep_samples
    return kept is None or kept >= cell.evaluation.samples


def extract(cell: Cell, file: Path, facts: SampleFacts, context: Context) -> None:
    """Extract, and store, all features of all samples that the cell's columns need."""
    for draw, extractor, needs in _needed(cell):
        images = IdentifiedImages(stored_images(file, draw), {"generated": facts.draws_sha256[draw]})
        features.extracted_by_code(images, needs, extractor, context, cell.evaluation.extraction)


def extraction(cell: Cell, facts: SampleFacts, context: Context) -> tuple[int, float] | None:
    """Return how many generated images of a cell went through extractors, and the seconds; None where that is not known.

    An image that goes through two extractors counts twice.
    """
    n, hashes = cell.evaluation.samples, facts.draws_sha256
    seconds = [
        features.seconds_of_pass({"generated": hashes[draw]}, n, needs, extractor, context, cell.evaluation.extraction)
        for draw, extractor, needs in _needed(cell)
    ]
    known = [value for value in seconds if value is not None]
    return (n * len(known), math.fsum(known)) if known and len(known) == len(seconds) else None


def lack_features(cell: Cell, facts: SampleFacts, context: Context) -> bool:
    """Return whether features of samples that were not kept are absent, so that the samples must be drawn again."""
    if facts.kept is None:
        return False
    n, hashes = cell.evaluation.samples, facts.draws_sha256
    return not all(
        features.are_stored({"generated": hashes[draw]}, n, needs, extractor, context, cell.evaluation.extraction)
        for draw, extractor, needs in _needed(cell)
    )


def write_first(file: SampleFile, count: int, target: Path) -> list[str]:
    """Write the first samples of each set, with their labels, into a file of their own. Returns: the hash of each set of them."""
    stored = tensor_rows.tensors(file.path)
    first = tensor_rows.allocate(target, {name: (rows.dtype, (count, *rows.shape[1:])) for name, rows in stored.items()})
    for name, rows in stored.items():
        _copy(rows, first[name])
    return [first[f"x.{draw}"].sha256("x") for draw in range(file.layout.draws)]


def _copy(source: TensorRows, target: TensorRows) -> None:
    for start in range(0, len(target), ROWS_AT_ONCE):
        tensor_rows.write(target, start, source.read(start, min(start + ROWS_AT_ONCE, len(target))))


def _needed(cell: Cell) -> Iterator[tuple[int, Resolved[Extractor], set[str]]]:
    """Yield each draw and extractor whose features columns measure, with what they need of generated images."""
    draws_of: dict[str, int] = {}
    extractors: dict[str, Resolved[Extractor]] = {}
    for column in cell.columns:
        if column.extractor is not None:
            extractors[column.extractor.name] = column.extractor
            draws_of[column.extractor.name] = max(column.draws, draws_of.get(column.extractor.name, 0))
    for name, extractor in extractors.items():
        needs, _ = features.shared_needs(extractor, cell.columns)
        yield from ((draw, extractor, needs) for draw in range(draws_of[name]))
