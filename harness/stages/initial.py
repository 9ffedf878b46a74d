"""Networks and methods at their start. Their weights depend on a seed, and not on what the process drew before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from harness.board.components import Resolved
from harness.components import Method, Model
from harness.interfaces import DataSpec
from harness.streams import seeded, stream

if TYPE_CHECKING:
    from harness.training.method import FinetuneMethod
    from harness.training.task import TrainingTask


def network(model: Resolved[Model], spec: DataSpec, device: torch.device, *, seed: int) -> torch.nn.Module:
    """Return a network with initial weights from the seed, on the device, in eval mode."""
    with seeded(stream(seed, "initial weights").initial_seed()):
        built = model.component.create(model.settings, spec)
    return built.to(device).eval()


def method(resolved: Resolved[Method], task: TrainingTask, *, seed: int) -> FinetuneMethod:
    """Return a method before its first step; its extra networks have initial weights from the seed."""
    with seeded(stream(seed, "initial method").initial_seed()):
        return resolved.component.create(resolved.settings, task)
