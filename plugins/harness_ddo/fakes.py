"""Which rows of a bank of samples stand beside real examples."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.errors import UserError
from harness.toolkit.contrast import labels_of
from harness.training.method import Bank


def rows_with_labels(bank: Bank, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a row of the bank for each label (B,), at random among the rows with that label, with replacement: (B,) int64.

    Raises: UserError for a label that the bank lacks.
    """
    by_label = labels_of(bank).argsort(stable=True)
    counts = labels_of(bank).bincount(minlength=int(labels.max()) + 1)
    firsts = counts.cumsum(0) - counts  # where the rows of each label begin in `by_label`
    available = counts[labels]
    if not available.all():
        raise UserError(f"ddo: a bank of {len(bank)} has no sample of some class; raise bank_size")
    # float64: a product with a float32 share could round up to `available`, one row too far.
    share = torch.rand(len(labels), generator=generator, dtype=torch.float64).to(by_label.device)
    return by_label[firsts[labels] + (share * available).long()]
