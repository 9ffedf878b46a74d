"""Data as a plugin gives it, looked at before anything is made of it: a wrong label or range would spoil every number."""

from __future__ import annotations

import torch

from harness.errors import EndsTheRun
from harness.interfaces import Batch, DataSource, DataSpec

SLACK = 1e-3
"""By how much images may leave [-1, 1]: what rounding does, and what half a level of 8 bits (4e-3) is not."""


class DataFault(EndsTheRun):
    """A dataset that gives something else than it declares."""


class CheckedSource:
    """A dataset whose batches are checked whenever they are read. Raises: DataFault."""

    def __init__(self, name: str, source: DataSource) -> None:
        self.name, self._source = name, source
        self.spec, self.fingerprint = source.spec, source.fingerprint
        self.largest_evaluation = source.largest_evaluation

    def train(self) -> Batch:
        """All training examples."""
        return check_batch(self._source.train(), self.spec, where=f"dataset {self.name}, training data")

    def evaluation(self, draw: int, n: int) -> Batch:
        """As the dataset's own."""
        if self.largest_evaluation is not None and n > self.largest_evaluation:
            raise DataFault(
                f"dataset {self.name} gives {self.largest_evaluation} held-out examples a draw at most, and {n} are asked for: "
                "lower evaluation.samples, sizes or curve.samples of the board, or --images of `harness measure`"
            )
        return check_batch(self._source.evaluation(draw, n), self.spec, where=f"dataset {self.name}, evaluation draw {draw}")


def check_batch(batch: Batch, spec: DataSpec, *, where: str) -> Batch:
    """The batch itself. Raises: DataFault for no examples, another shape or type than the spec's, values that are not finite,
    pictures outside [-1, 1], and labels that are absent, no int64, or outside [0, classes)."""
    fault = _x_fault(batch.x, spec) or _labels_fault(batch, spec)
    if fault:
        raise DataFault(f"{where}: {fault}")
    return batch


def _x_fault(x: torch.Tensor, spec: DataSpec) -> str | None:
    if not len(x):
        return "there are no examples"
    if tuple(x.shape[1:]) != tuple(spec.shape):
        return f"examples have the shape {tuple(x.shape[1:])}, and the dataset declares {tuple(spec.shape)}"
    if x.dtype != torch.float32:
        return f"x is {x.dtype}, not torch.float32"
    low, high = (float(one) for one in torch.aminmax(x))
    if not (abs(low) < float("inf") and abs(high) < float("inf")):  # NaN is not, either
        return "values that are not finite"
    if _are_pictures(spec) and max(-low, high) > 1 + SLACK:
        mend = "; divide bytes by 127.5 and subtract 1" if low >= 0 and high <= 255 else ""
        return f"values from {low:.4g} to {high:.4g}, and images are in [-1, 1]{mend}"
    return None


def _are_pictures(spec: DataSpec) -> bool:
    """Grey or colour. Latents have more channels, and any range."""
    return spec.preview == "images" and len(spec.shape) == 3 and spec.shape[0] in (1, 3)


def _labels_fault(batch: Batch, spec: DataSpec) -> str | None:
    labels, classes = batch.labels, spec.classes
    if labels is None:
        return f"there are no labels, and the dataset declares {classes} classes" if classes else None
    if not classes:
        return "there are labels, and the dataset declares no classes"
    if labels.dtype != torch.int64 or labels.shape != (len(batch),):
        return f"labels are {labels.dtype} of shape {tuple(labels.shape)}, not torch.int64 of shape ({len(batch)},)"
    low, high = (int(one) for one in torch.aminmax(labels))
    if low < 0 or high >= classes:
        return f"labels from {low} to {high}, and with {classes} classes they are 0 to {classes - 1}"
    return None
