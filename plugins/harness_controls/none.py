"""The base as it is, which every other method is compared with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.training.method import FinetuneMethod


class Nothing(FinetuneMethod):
    """Leaves the base as it is. Its component declares `trains=False`, so the harness calls `result` and never `step`."""

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Leave the model unchanged and log nothing."""
        return {}
