"""The disk that cells take, from the sizes of networks and the settings of the board. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import FEATURE_NEEDS, Extractor
from harness.interfaces import DataSpec
from harness.training.config import PowerFunctionEMA, TrainingConfig

KEPT_CHECKPOINTS = 3
"""The newest two, and the one that is being written."""
_MOMENTS = frozenset({"moments", "spatial"})


@dataclass(frozen=True)
class Disk:
    """Bytes on the disk.

    Args:
        weights: of fine-tuned networks, and of the bases that the cells start from.
        banks: generated samples that methods train on.
        samples, features: of what is measured.
        checkpoints: of one training, while it runs.
    """

    weights: int = 0
    banks: int = 0
    samples: int = 0
    features: int = 0
    checkpoints: int = 0

    @property
    def kept(self) -> int:
        """Bytes that are there after the run."""
        return self.weights + self.banks + self.samples + self.features


def sample_bytes(cells: Sequence[Cell], data: DataSpec) -> int:
    """Return the bytes of the samples that cells keep: images as bytes, other examples as float32. Cells share samples by key."""
    each = math.prod(data.shape) * (1 if data.preview == "images" else 4) + (8 if data.classes else 0)
    return sum(
        cell.evaluation.draws * min(cell.evaluation.samples, cell.evaluation.keep_samples or cell.evaluation.samples) * each
        for cell in {cell.sample_key: cell for cell in cells}.values()
    )


def feature_bytes(cells: Sequence[Cell]) -> int:
    """Return the bytes of the features of generated samples, and of the real ones that they are compared with."""
    total, real_sets = 0, set[object]()
    for cell in {cell.sample_key: cell for cell in cells}.values():
        for extractor, generated, real in _needs(cell):
            each = cell.evaluation.draws
            total += each * _set_bytes(extractor, generated, cell.evaluation.samples)
            of_real = (extractor.name, cell.seed, cell.evaluation.samples)
            if of_real not in real_sets:
                real_sets.add(of_real)
                total += each * _set_bytes(extractor, real, cell.evaluation.samples)
    return total


def _needs(cell: Cell) -> Sequence[tuple[Resolved[Extractor], set[str], set[str]]]:
    """Return each extractor of a cell's columns, with what is kept of generated images and of real ones."""
    found: dict[str, tuple[Resolved[Extractor], set[str], set[str]]] = {}
    for column in cell.columns:
        if column.extractor is not None:
            _, generated, real = found.setdefault(column.extractor.name, (column.extractor, set(), set()))
            generated |= column.metric.component.needs_features
            real |= column.metric.component.real_needs if column.reference is None else frozenset()
    return list(found.values())


def _set_bytes(extractor: Resolved[Extractor], needs: Collection[str], n: int) -> int:
    """Return the bytes of a set's features: mean and covariance in float64, or a row of float32 for each image."""
    sizes = {need: extractor.component.outputs.get(FEATURE_NEEDS[need], 0) for need in needs}
    return sum(8 * (size + size**2) if need in _MOMENTS else 4 * n * size for need, size in sizes.items())


def averages(training: TrainingConfig) -> int:
    """Return how many copies of the weights a training keeps as averages."""
    if training.ema is None:
        return 0
    return len(training.ema.tracked) if isinstance(training.ema, PowerFunctionEMA) else 1
