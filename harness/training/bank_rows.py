"""Banks of generated samples that stay on the host: their rows are moved to the device when a method asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.interfaces import Batch
from harness.training.config import DataPlace
from harness.training.method import Bank
from harness.training.placement import fits
from harness.weights import state_dicts, tensor_rows
from harness.weights.tensor_rows import TensorRows


@dataclass(frozen=True, eq=False)
class HostBank:
    """A bank of n samples whose rows are in the host's memory, or in the bank's file.

    Args:
        stored: (n, …), on the CPU.
        labels: (n,) int64, on `device`; None without classes.
        device: where indexing puts its rows.
    """

    stored: Tensor | TensorRows
    labels: Tensor | None
    device: torch.device

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Tensor | slice) -> Batch:
        """Return these samples on the device, with `rows` set. Raises: UserError when the bank's file cannot be read."""
        numbers = torch.arange(len(self))[rows.cpu() if isinstance(rows, Tensor) else rows]
        chosen = self.stored[numbers] if isinstance(self.stored, Tensor) else self.stored[numbers.tolist()]
        there = numbers.to(self.device)
        return Batch(chosen.to(self.device), None if self.labels is None else self.labels[there], there)

    @property
    def x(self) -> Tensor:
        """All samples, (n, …), on the device."""
        return self[:].x


def load_bank(file: Path, where: DataPlace, device: torch.device) -> Bank:
    """Return the bank in a file, where a training reads it: as training examples are placed (`placement.placed`).

    Args:
        where: `auto` keeps on a card what fits a share of its memory, for a CPU what is small, and else reads rows of the file.
    """
    stored = tensor_rows.tensors(file)
    x, labels = stored["x"], stored.get("labels")
    if where == "disk" or (where == "auto" and not fits(len(x) * x.row_bytes, device)):
        return HostBank(x, None if labels is None else labels.read(0, len(labels)).to(device), device)
    tensors = state_dicts.load(file)
    batch = Batch(tensors["x"], tensors.get("labels"), torch.arange(len(x)))
    if where == "host" and device.type != "cpu":
        return HostBank(batch.x, None if batch.labels is None else batch.labels.to(device), device)
    return batch.to(device)
