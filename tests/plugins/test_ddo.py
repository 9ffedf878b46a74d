"""DDO: its loss by hand, its optimum, and its rounds."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from ddo_tasks import REAL, SPEC, Coin, Noisy, noisy_task, normal, toss
from torch import Tensor, nn

from harness.components import Method
from harness.interfaces import Batch
from harness.plugins import registry
from harness.streams import stream
from harness.testing.methods import Bench, check_resume_is_exact
from harness.testing.rounds import begin_round_where_due
from harness.testing.task import InMemoryTask
from harness.weights.state_dicts import snapshot
from harness_ddo import DDOConfig
from harness_ddo.loss import ddo_loss
from harness_ddo.method import DDO


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
    assert task.model.logit.sigmoid().item() == pytest.approx(0.75, abs=0.03)


def test_each_round_has_a_reference_a_bank_and_an_optimiser_of_its_own() -> None:
    task = noisy_task(7)
    method = DDO(DDOConfig(rounds=3, beta=0.5, bank_size=8), task)
    starts, losses = {}, []
    for index in range(task.steps):
        before = snapshot(task.model)
        begin_round_where_due(method, index)
        losses.append(method.step(REAL, stream(0, "t", index), index)["loss"].item())
        if torch.equal(snapshot(method.reference)["mean"], before["mean"]):
            starts[index] = method.optimizer.updates
    assert starts == {0: 3, 3: 2, 5: 2}  # first steps and lengths of the rounds: 7 = 3 + 2 + 2
    assert [index for index, loss in enumerate(losses) if loss == 2 * torch.tensor(2.0).log().item()] == [0, 3, 5]
    assert {name for _, _, name in task.banks} == {"round-0", "round-1", "round-2"}
    assert method.optimizer.count == 2


WIDE = 100_003


class Wide(Noisy):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(WIDE))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        return super().log_likelihood(x, labels, draw) + self.weight.sum() * x[:, 0]


def held() -> int:
    """Storages of the network's size that are alive."""
    # By type: isinstance would ask odd objects of other modules for their class.
    found = [one for one in gc.get_objects() if issubclass(type(one), Tensor) and one.numel() == WIDE]
    return len({one.untyped_storage().data_ptr() for one in [*found, *(one.grad for one in found if one.grad is not None)]})


def test_weights_and_reference_are_held_once_and_only_weights_have_gradients_and_moments() -> None:
    gc.collect()
    task = InMemoryTask(Wide(), SPEC, normal, steps=4, batch=len(REAL))
    method = DDO(DDOConfig(rounds=2, bank_size=8), task)
    assert held() == 2  # theta and its reference
    for index in range(task.steps):
        begin_round_where_due(method, index)
        method.step(REAL, stream(0, "t", index), index)
        if index not in (1, 3):  # the last step of each round: looking at all objects takes most of a second
            continue
        gc.collect()
        assert held() == 5  # and the gradient of theta and Adam's two moments, in the second round as in the first
        assert all(one.grad is None and not one.requires_grad for one in method.reference.parameters())


def step_in_micro_batches(micro_batch: int | None, **settings: object) -> tuple[dict[str, float], Tensor]:
    """What a step on eight pairs logs, and where it moves the weights, in micro-batches of this size."""
    task = InMemoryTask(Noisy(), SPEC, normal, steps=1, batch=8, micro_batch=micro_batch)
    method = DDO(DDOConfig(bank_size=8, beta=0.3, optimizer={"name": "sgd", "lr": 0.1}, **settings), task)
    with torch.no_grad():
        task.model.mean.add_(0.5)  # away from the reference, so that ratios are not 0
    logged = method.step(REAL, stream(0, "t"), 0)
    return {name: value.item() for name, value in logged.items()}, task.model.mean.detach()


@pytest.mark.parametrize("settings", [{}, {"n_mc": 3}, {"shared_draw": False}, {"n_mc": 2, "shared_draw": False}])
@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_micro_batches_change_neither_the_logs_nor_the_step(micro_batch: int, settings: dict[str, object]) -> None:
    whole, parts = step_in_micro_batches(None, **settings), step_in_micro_batches(micro_batch, **settings)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5, abs=1e-6)
    torch.testing.assert_close(parts[1], whole[1])


def test_the_step_is_a_step_of_gradient_descent_on_the_loss() -> None:
    """By hand: r(x) = -(x + e - m)² + (x + e)² at the shared noise e, with the reference at 0, and m = 1/2."""
    task = noisy_task(1)
    method = DDO(DDOConfig(bank_size=8, beta=0.3, optimizer={"name": "sgd", "lr": 0.1}), task)
    with torch.no_grad():
        task.model.mean.add_(0.5)
    generator = stream(0, "t")
    logged = method.step(REAL, generator, 0)
    (bank,) = task.banks.values()
    again = stream(0, "t")
    fakes = bank.x[torch.randint(8, (8,), generator=again)]
    noise = torch.randn(8, 1, generator=again)
    m = torch.tensor([0.5], requires_grad=True)
    ratios = [((x + noise).square() - (x + noise - m).square()).squeeze(1) for x in (REAL.x, fakes)]
    loss = ddo_loss(*ratios, alpha=1.0, beta=0.3)
    loss.backward()
    torch.testing.assert_close(logged["loss"], loss.detach())
    torch.testing.assert_close(task.model.mean.detach(), (m - 0.1 * m.grad).detach())
    torch.testing.assert_close(logged["logit_std"], (0.3 * torch.cat(ratios)).std(correction=0).detach())


def test_dividing_by_alpha_divides_the_loss_and_the_step() -> None:
    plain, divided = (step_in_micro_batches(None, alpha=4.0, divide=divide) for divide in (False, True))
    assert divided[0]["loss"] == pytest.approx(plain[0]["loss"] / 4)
    torch.testing.assert_close(divided[1] - 0.5, (plain[1] - 0.5) / 4)
    same = [step_in_micro_batches(None, alpha=0.5, divide=divide) for divide in (False, True)]
    assert same[0] == same[1]  # max(alpha, 1) is 1


def test_a_method_is_restored_in_the_round_that_it_was_saved_in() -> None:
    task = noisy_task(7)
    method = DDO(DDOConfig(rounds=3, bank_size=8), task)
    for index in range(4):
        begin_round_where_due(method, index)
        method.step(REAL, stream(0, "t", index), index)
    state = method.state_dict()
    assert state["round"] == 1
    other_task = noisy_task(7)
    other = DDO(DDOConfig(rounds=3, bank_size=8), other_task)
    other.load_state_dict(state)
    assert torch.equal(snapshot(other.reference)["mean"], snapshot(method.reference)["mean"])
    assert (other.optimizer.updates, other.optimizer.count) == (2, 1)  # steps 3 and 4; one of them is done
    other.step(REAL, stream(0, "t", 4), 4)
    assert {name for _, _, name in other_task.banks} == {"round-1"}


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_with_rounds_of_unequal_length_resumes_exactly(shared: bool) -> None:
    component = registry().get(Method, "ddo", where="test")
    config = DDOConfig(rounds=3, bank_size=8, shared_draw=shared, n_mc=2, optimizer={"warmup": 1.0})
    check_resume_is_exact(Bench(component, config, lambda: noisy_task(7), REAL))
