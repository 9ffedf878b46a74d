"""Networks and methods at their start: initialised from a seed, whatever else the process has drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from harness.board.components import Resolved
from harness.components import Method, Model
from harness.interfaces import DataSpec
from harness.streams import stream

if TYPE_CHECKING:
    from harness.training.method import FinetuneMethod
    from harness.training.task import TrainingTask


def network(model: Resolved[Model], spec: DataSpec, device: torch.device, *, seed: int) -> torch.nn.Module:
    """Return a network with initial weights from the seed, on the device, in eval mode."""
    with _seeded(seed, "initial weights"):
        built = model.component.create(model.settings, spec)
    return built.to(device).eval()


def method(resolved: Resolved[Method], task: TrainingTask, *, seed: int) -> FinetuneMethod:
    """Return a method before its first step; its extra networks have initial weights from the seed."""
    with _seeded(seed, "initial method"):
        return resolved.component.create(resolved.settings, task)


@contextmanager
def _seeded(seed: int, purpose: str) -> Iterator[None]:
    """Let the block draw from torch's global generator as if the process had just started with this seed and purpose."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, purpose).initial_seed())
        yield
