"""The order of the training examples. The examples of a step depend on the seed and the step alone, not on earlier steps."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.streams import stream


class BatchOrder:
    """Shuffled epochs, one after the other. All batches are full: a batch may begin in one epoch and end in the next.

    Args:
        n: number of training examples.
        batch: examples a step.
        seed: seed of the shuffles; each epoch has a random stream of its own.
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch, self.seed = n, batch, seed
        self._epochs: dict[int, Tensor] = {}

    def indices(self, step: int) -> Tensor:
        """Return the numbers of the examples of a step, (batch,) int64."""
        # Example k of the endless list of epochs is place k % n of epoch k // n.
        start, end = step * self.batch, (step + 1) * self.batch
        first, last = start // self.n, (end - 1) // self.n
        if first == last:
            return self._epoch(first)[start - first * self.n : end - first * self.n]
        parts = [
            self._epoch(epoch)[max(start - epoch * self.n, 0) : min(end - epoch * self.n, self.n)]
            for epoch in range(first, last + 1)
        ]
        return torch.cat(parts)

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            # Of earlier epochs, only the last one is still needed, by a batch that begins in it and ends in this one.
            self._epochs = {key: value for key, value in self._epochs.items() if key == epoch - 1}
            self._epochs[epoch] = torch.randperm(self.n, generator=stream(self.seed, "order", epoch))
        return self._epochs[epoch]
