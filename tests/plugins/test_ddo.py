"""DDO: its loss by hand, its optimum, and its rounds."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from harness.components import Method
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.methods import Bench, check_resume_is_exact, snapshot
from harness.testing.task import InMemoryTask
from harness_ddo import DDOConfig
from harness_ddo.loss import ddo_loss
from harness_ddo.method import DDO

SPEC = DataSpec((1,))


class Coin(nn.Module):
    """A biased coin with faces 0 and 1: an exact likelihood, so the draw is None."""

    def __init__(self, heads: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(math.log(heads / (1 - heads)), dtype=torch.float64))

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        return None

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -nn.functional.softplus((1 - 2 * x[:, 0]) * self.logit)


class Noisy(nn.Module):
    """A normal density around a learned point, seen through the noise of the draw."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(1))

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(x.shape, generator=generator)

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return -(x + draw - self.mean).square().sum(1)


def toss(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """Heads for the right share of the streams, to rounding: samples without sampling noise."""
    heads = round(torch.sigmoid(model.logit).item() * len(streams))
    return torch.cat([torch.ones(heads, 1), torch.zeros(len(streams) - heads, 1)])


def normal(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    return model.mean.detach() + streams.normal(1)


def noisy_task(steps: int) -> InMemoryTask:
    return InMemoryTask(Noisy(), SPEC, normal, steps=steps, batch=8)


REAL = Batch(torch.linspace(1, 2, 8)[:, None])


def test_the_loss_of_two_ratios_is_what_the_formula_gives_by_hand() -> None:
    def sigmoid(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    loss = ddo_loss(torch.tensor([2.0]), torch.tensor([-1.0]), alpha=3.0, beta=0.5)
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0)) - 3 * math.log(1 - sigmoid(-0.5)), rel=1e-6)


def test_the_loss_stays_finite_where_the_sigmoid_saturates() -> None:
    assert ddo_loss(torch.tensor([-1e4]), torch.tensor([1e4]), alpha=1.0, beta=1.0).item() == 2e4


@pytest.mark.parametrize(("alpha", "n_mc"), [(1.0, 1), (4.0, 3)])
def test_where_the_model_is_its_reference_the_loss_is_one_plus_alpha_times_log_two(alpha: float, n_mc: int) -> None:
    logged = DDO(DDOConfig(alpha=alpha, bank_size=8, n_mc=n_mc), noisy_task(1)).step(REAL, stream(0, "t"), 0)
    assert logged["margin_real"] == logged["margin_fake"] == logged["logit_std"] == 0  # exactly, not about
    assert logged["loss"].item() == pytest.approx((1 + alpha) * math.log(2), rel=1e-6)  # the digits of float32


def gradient_at(heads: float, beta: float) -> float:
    """Derivative in the coin's logit of the expected loss, for data with 3/4 heads and a fair reference."""
    model, fair = Coin(heads), Coin(0.5)
    faces = torch.tensor([[1.0], [1.0], [1.0], [0.0]]).double(), torch.tensor([[1.0], [1.0], [0.0], [0.0]]).double()
    real, fake = (model.log_likelihood(x, None, None) - fair.log_likelihood(x, None, None).detach() for x in faces)
    ddo_loss(real, fake, alpha=1.0, beta=beta).backward()
    return model.logit.grad.item()


def test_the_gradient_vanishes_at_the_data_when_beta_is_one() -> None:
    assert abs(gradient_at(0.75, beta=1.0)) < 1e-12  # float64
    assert gradient_at(0.7, beta=1.0) < -1e-3  # below it, descent raises the share of heads
    assert gradient_at(0.8, beta=1.0) > 1e-3


def test_a_beta_below_one_goes_on_beyond_the_data() -> None:
    assert gradient_at(0.75, beta=0.5) < -1e-3


def test_training_reaches_the_data() -> None:
    task = InMemoryTask(Coin(0.5), SPEC, toss, steps=300, batch=64)
    method = DDO(DDOConfig(beta=1.0, bank_size=64, optimizer={"lr": 0.03, "decay": "linear"}), task)
    real = Batch(torch.cat([torch.ones(48, 1), torch.zeros(16, 1)]))
    for index in range(task.steps):
        method.step(real, stream(0, "t", index), index)
    # Fakes are drawn anew from the bank at each step: 64 coins leave noise of 0.06 on a step, averaged over the last
    # ones.
    assert torch.sigmoid(task.model.logit).item() == pytest.approx(0.75, abs=0.03)


def test_each_round_has_a_reference_a_bank_and_an_optimiser_of_its_own() -> None:
    task = noisy_task(7)
    method = DDO(DDOConfig(rounds=3, beta=0.5, bank_size=8), task)
    starts, losses = {}, []
    for index in range(task.steps):
        before = snapshot(task.model)
        losses.append(method.step(REAL, stream(0, "t", index), index)["loss"].item())
        if torch.equal(snapshot(method.reference)["mean"], before["mean"]):
            starts[index] = method.optimizer.updates
    assert starts == {0: 3, 3: 2, 5: 2}  # first steps and lengths of the rounds: 7 = 3 + 2 + 2
    assert [index for index, loss in enumerate(losses) if loss == 2 * torch.tensor(2.0).log().item()] == [0, 3, 5]
    assert {name for _, _, name in task.banks} == {"round-0", "round-1", "round-2"}
    assert method.optimizer.count == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_with_rounds_of_unequal_length_resumes_exactly(shared: bool) -> None:
    component = registry().get(Method, "ddo", where="test")
    config = DDOConfig(rounds=3, bank_size=8, shared_draw=shared, n_mc=2, optimizer={"warmup": 1.0})
    check_resume_is_exact(Bench(component, config, lambda: noisy_task(7), REAL))
