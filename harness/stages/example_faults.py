"""Faults of the examples of a dataset: a wrong label or range would spoil every number."""

from __future__ import annotations

import torch

from harness.errors import EndsTheRun
from harness.indexed import StoredExamples
from harness.interfaces import Batch, DataSpec

SLACK = 1e-3
"""How far images may leave [-1, 1]: more than rounding moves them, and less than half a level of 8 bits (4e-3)."""


class DataFault(EndsTheRun):
    """A dataset gives something else than it declares."""


def check_batch(batch: Batch, spec: DataSpec, *, where: str) -> Batch:
    """Return the batch, which must be what `spec` declares.

    Args:
        where: which data these are; the message begins with it.
    Raises: DataFault for no examples; another shape or type; values that are not finite; pictures outside of [-1, 1]; labels
        that are absent, not int64, or outside of [0, classes).
    """
    fault = batch_fault(batch, spec)
    if fault:
        raise DataFault(f"{where}: {fault}")
    return batch


def batch_fault(batch: object, spec: DataSpec) -> str | None:
    """Return what is wrong with a batch that must be what `spec` declares, as one line; None when nothing is."""
    if not isinstance(batch, Batch):
        kind = "None" if batch is None else f"a {type(batch).__name__}"
        return f"it gave {kind}; it must give a harness.interfaces.Batch"
    for name, part in (("x", batch.x), ("labels", batch.labels)):
        given: object = part
        if not isinstance(given, torch.Tensor) and not (name == "labels" and given is None):
            return f"{name} is a {type(given).__name__}, not a torch.Tensor"
    return _examples_fault(batch.x, spec) or _labels_fault(batch, spec)


def _examples_fault(x: torch.Tensor, spec: DataSpec) -> str | None:
    if not x.dim() or not len(x):
        return "there are no examples"
    if tuple(x.shape[1:]) != tuple(spec.shape):
        return f"examples have the shape {tuple(x.shape[1:])}, and the dataset declares {tuple(spec.shape)}"
    if x.dtype != torch.float32:
        return f"x is {x.dtype}, not torch.float32"
    low, high = (float(extreme) for extreme in torch.aminmax(x))
    if not (abs(low) < float("inf") and abs(high) < float("inf")):  # false for NaN, too
        return "values that are not finite"
    if _are_pictures(spec) and max(-low, high) > 1 + SLACK:
        remedy = "; divide bytes by 127.5 and subtract 1" if low >= 0 and high <= 255 else ""
        return f"values from {low:.4g} to {high:.4g}, and images are in [-1, 1]{remedy}"
    return None


def _are_pictures(spec: DataSpec) -> bool:
    """Return True for grey and colour images. Latents have more channels, and any range."""
    return spec.preview == "images" and len(spec.shape) == 3 and spec.shape[0] in (1, 3)


def stored_fault(stored: object, spec: DataSpec, n: int) -> str | None:
    """Return what is wrong with n examples as they were read, as one line; None when nothing is.

    Bytes have no wrong values where some of them are right: those of a set are looked at once, when they are converted.
    """
    if not isinstance(stored, StoredExamples):
        kind = "None" if stored is None else f"a {type(stored).__name__}"
        return f"reading gave {kind}; it must give a harness.indexed.StoredExamples"
    for name, part in (("values", stored.values), ("labels", stored.labels)):
        given: object = part
        if not isinstance(given, torch.Tensor) and not (name == "labels" and given is None):
            return f"{name} is a {type(given).__name__}, not a torch.Tensor"
    if len(stored) != n:
        return f"reading gave {len(stored)} examples, and {n} rows were asked for"
    if stored.values.is_floating_point() and not bool(torch.isfinite(stored.values).all()):
        return "values that are not finite"
    return _labels_fault(stored, spec)


def _labels_fault(batch: Batch | StoredExamples, spec: DataSpec) -> str | None:
    labels, classes = batch.labels, spec.classes
    if labels is None:
        return f"there are no labels, and the dataset declares {classes} classes" if classes else None
    if not classes:
        return "there are labels, and the dataset declares no classes"
    if labels.dtype != torch.int64 or labels.shape != (len(batch),):
        return f"labels are {labels.dtype} of shape {tuple(labels.shape)}, not torch.int64 of shape ({len(batch)},)"
    low, high = (int(extreme) for extreme in torch.aminmax(labels))
    if low < 0 or high >= classes:
        return f"labels from {low} to {high}, and with {classes} classes they are 0 to {classes - 1}"
    return None
