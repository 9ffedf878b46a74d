"""Training examples that a walk starts from."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.streams import SampleStreams

MOST = 10_000
"""Examples that are kept at most, so that large datasets of images are not stored a second time."""


class Examples:
    """Examples, sorted by label where they have labels.

    Args:
        prepared: what `chosen` returned; none before the sampler is prepared.
    """

    def __init__(self, prepared: Mapping[str, Tensor] | None = None) -> None:
        self._prepared = prepared

    @staticmethod
    def chosen(train: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Choose at most `MOST` examples without replacement.

        Returns: `x` (n, …), and `labels` (n,) int64, ascending, where the data have labels.
        """
        rows = torch.randperm(len(train), generator=generator)[:MOST]
        if train.labels is None:
            return {"x": train.x[rows.to(train.x.device)].contiguous()}
        labels = train.labels.cpu()[rows]
        order = labels.argsort(stable=True)
        return {"x": train.x[rows[order].to(train.x.device)].contiguous(), "labels": labels[order]}

    def noised(self, alpha_bar: float, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw an example for each stream, of its label where there are labels, and add the noise of a level, (n, …).

        Args:
            alpha_bar: the share of signal variance at the level.
        """
        assert self._prepared is not None, "the harness prepares the sampler before it draws"
        examples = self._prepared["x"].to(streams.device)
        share = streams.uniform().double()  # float32 numbers below 1, times a count below 2^24, stay below the count
        first, count = self._ranges(labels)
        rows = (first.to(share.device) + (share * count.to(share.device)).floor()).long()
        return math.sqrt(alpha_bar) * examples[rows] + math.sqrt(1 - alpha_bar) * streams.normal(*examples.shape[1:])

    def _ranges(self, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the first row and the number of rows to draw from, each 0-dim or (n,)."""
        assert self._prepared is not None
        if labels is None or "labels" not in self._prepared:
            return torch.tensor(0), torch.tensor(len(self._prepared["x"]))
        known, wanted = self._prepared["labels"].contiguous(), labels.cpu().contiguous()
        first = torch.searchsorted(known, wanted)
        return first, torch.searchsorted(known, wanted, right=True) - first
