"""Neon: training on own samples, then the step away from it."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from harness.board.reading.load import load_board
from harness.components import MethodUsage, Model
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec, SampleFunction
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.task import InMemoryTask
from harness_neon import NeonConfig, check
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


def test_negative_lengths_go_to_the_trained_weights_and_are_means_between() -> None:
    task, method = run(w=-1.0, steps=20)
    trained = task.model.state_dict()
    torch.testing.assert_close(method.result(trained)["mean"], trained["mean"])
    between = Neon(NeonConfig(w=-0.25, bank_size=16), task)
    between.base = method.base
    base = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(between.result(trained)["mean"], 0.75 * base + 0.25 * trained["mean"])
    with pytest.raises(ValidationError, match="greater than or equal to -100"):
        NeonConfig(w=-101.0)


def test_the_bank_is_drawn_once_from_the_base() -> None:
    task, _ = run(w=1.0, steps=5)
    ((_, n, name),) = task.banks
    assert (n, name) == (16, "neon")


def test_a_step_is_one_of_gradient_descent_on_rows_of_the_bank() -> None:
    task = InMemoryTask(Mean(), DataSpec((2,)), scattered, steps=1, batch=4)
    method = Neon(NeonConfig(bank_size=16, optimizer={"name": "sgd", "lr": 0.1}), task)
    logged = method.step(REAL, stream(0, "t"), 0)
    (bank,) = task.banks.values()
    rows = bank.x[torch.randint(16, (4,), generator=stream(0, "t"))]
    start = torch.tensor([1.0, 2.0])
    torch.testing.assert_close(logged["loss"], (rows - start).square().sum(1).mean())
    torch.testing.assert_close(task.model.mean.detach(), start + 0.1 * 2 * (rows - start).mean(0))


REAL = Batch(torch.full((4, 2), torch.nan))


def scattered(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    return model.mean.detach() + streams.normal(2)


def test_a_longer_step_away_goes_further_along_the_same_line() -> None:
    task, method = run(w=1.0, steps=20)
    trained = task.model.state_dict()
    base = torch.tensor([1.0, 2.0])
    for w in (0.5, 3.0):
        other = Neon(NeonConfig(w=w, bank_size=16), task)
        other.base = method.base
        away = other.result(trained)["mean"] - base
        torch.testing.assert_close(away, -w * (trained["mean"] - base))


def test_the_result_leaves_the_trained_weights_as_they_are() -> None:
    task, method = run(w=2.0, steps=5)
    weights = task.model.state_dict()
    before = {name: value.clone() for name, value in weights.items()}
    result = method.result(weights)
    result["count"] += 1
    assert all(torch.equal(value, before[name]) for name, value in weights.items())


def test_the_base_is_restored_with_the_checkpoint_and_not_taken_from_trained_weights() -> None:
    task, method = run(w=1.0, steps=5)
    state = method.state_dict()
    resumed = Neon(NeonConfig(w=1.0, bank_size=16), task)  # made on the trained weights, as after a resume
    assert (resumed.base.mean != torch.tensor([1.0, 2.0])).any()
    resumed.load_state_dict(state)
    torch.testing.assert_close(resumed.base.mean, torch.tensor([1.0, 2.0]), rtol=0, atol=0)
    assert torch.equal(resumed.result(task.model.state_dict())["mean"], method.result(task.model.state_dict())["mean"])


def test_weights_of_an_average_in_higher_precision_keep_it() -> None:
    _, method = run(w=1.0, steps=2)
    result = method.result({"mean": torch.tensor([1.0, 2.0], dtype=torch.float64) + 1e-10, "count": torch.tensor(4)})
    assert result["mean"].dtype == torch.float64
    torch.testing.assert_close(result["mean"], torch.tensor([1.0, 2.0], dtype=torch.float64) - 1e-10, rtol=0, atol=1e-14)
    assert result["count"] == 4


class TokenMean(Mean):
    """Takes tokens, of which an image has two."""

    tokens_per_image = 2


class TokenDraws:
    """A sampler whose images are halves of its tokens."""

    def tokens(self, model: nn.Module, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        return torch.arange(2 * len(streams)).view(-1, 2)

    def __call__(self, model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        return self.tokens(model, streams, labels) / 2


def test_samples_as_tokens_are_what_the_sampler_drew() -> None:
    task = InMemoryTask(TokenMean(), DataSpec((2,)), TokenDraws(), steps=1, batch=4)
    Neon(NeonConfig(bank_size=16, samples_as="tokens"), task).step(REAL, stream(0, "t"), 0)
    (bank,) = task.banks.values()
    assert torch.equal(bank.x, torch.arange(32).view(16, 2))


def test_tokens_of_a_model_that_takes_none_are_a_reason_to_skip() -> None:
    models = {name: registry().get(Model, name, where="test") for name in ("edm-mlp", "maskgit")}
    check(NeonConfig(samples_as="tokens"), MethodUsage(models["maskgit"], DataSpec((1, 8, 8))))
    with pytest.raises(UserError, match="edm-mlp lacks TakesTokens, which neon needs for samples_as: tokens"):
        check(NeonConfig(samples_as="tokens"), MethodUsage(models["edm-mlp"], DataSpec((2,))))
    assert "samples_as" not in NeonConfig().identity


FLIPPED = """\
title: Flipped
dataset: digits
bases:
  small:
    model: {name: edm-unet, model_channels: 4, channel_mult: [1], num_blocks: 1, attn_resolutions: []}
    pretrain: {method: mle, training: {images: 32, batch: 32}}
training: {images: 64, batch: 32, flip: true}
methods: {mle: , neon: }
seeds: [1]
evaluation: {samples: 4, batch: 4}
metrics: {sliced-w2: }
"""


def test_no_row_of_neon_is_said_to_be_of_flipped_images_since_it_sees_none(tmp_path):
    (tmp_path / "board.yaml").write_text(FLIPPED)
    assert {cell.method_name: cell.training.flip for cell in load_board(tmp_path).cells} == {"mle": True, "neon": False}
