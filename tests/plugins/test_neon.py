"""Neon: training on own samples, then the step away from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.interfaces import Batch, DataSpec, SampleFunction
from harness.streams import SampleStreams, stream
from harness.testing.task import InMemoryTask
from harness_neon import NeonConfig
from harness_neon.method import Neon


class Mean(nn.Module):
    """A learned point with a counter beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("count", torch.tensor(3))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        return (x - self.mean).square().sum(1)


def off_by_one(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """A sampler with a fault: all its samples lie one to the right of the model's point."""
    return model.mean.detach().repeat(len(streams), 1) + torch.tensor([1.0, 0.0])


def run(w: float, steps: int = 200, sampler: SampleFunction = off_by_one) -> tuple[InMemoryTask, Neon]:
    task = InMemoryTask(Mean(), DataSpec((2,)), sampler, steps=steps, batch=4)
    method = Neon(NeonConfig(w=w, bank_size=16, optimizer={"lr": 0.05, "decay": "linear"}), task)
    for index in range(steps):
        method.step(Batch(torch.full((4, 2), torch.nan)), stream(0, "t", index), index)  # real data must not be used
    return task, method


def test_training_goes_to_the_samples_and_the_result_lies_on_the_other_side() -> None:
    task, method = run(w=0.5)
    # Adam's steps have the size of its rate, whose last one is 0.05 / 200.
    torch.testing.assert_close(task.model.mean.data, torch.tensor([2.0, 2.0]), rtol=0, atol=1e-2)
    result = method.result(task.model.state_dict())
    # (1 + w) 1 - w 2 = 0.5, by hand; what training left alone stays bit for bit.
    torch.testing.assert_close(result["mean"], torch.tensor([0.5, 2.0]), rtol=0, atol=1e-2)
    assert result["count"].item() == 3


def test_weight_zero_gives_the_base() -> None:
    task, method = run(w=0.0, steps=3)
    assert torch.equal(method.result(task.model.state_dict())["mean"], torch.tensor([1.0, 2.0]))


def test_the_bank_is_drawn_once_from_the_base() -> None:
    task, _ = run(w=1.0, steps=5)
    ((_, n, name),) = task.banks
    assert (n, name) == (16, "neon")
