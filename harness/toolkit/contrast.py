"""Small helpers of methods that contrast examples: the labels of a batch, and means over the pairs that count."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class MayHaveLabels(Protocol):
    """A batch, or a bank of samples."""

    @property
    def labels(self) -> Tensor | None:
        """(B,) int64; None for data without classes."""
        ...


def labels_of(batch: MayHaveLabels) -> Tensor:
    """Return the labels (B,) of a batch or a bank. There are labels, because a method's check has refused data without them."""
    assert batch.labels is not None, "the method's check lets no data without labels through"
    return batch.labels


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the values (B,) where the mask (B,) is True, 0-dim; 0 where the mask is False everywhere."""
    return values.where(mask, 0).sum() / mask.sum().clamp(min=1)
