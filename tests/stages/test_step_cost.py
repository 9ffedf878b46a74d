"""What a step and a sample take, found without taking any, beside real steps and numbers by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.stages import step_cost as module
from harness.stages.step_cost import NetworkSize, StepCost, loss_cost, network_size, sampling_cost, step_cost
from harness.training.config import TrainingConfig
from harness.training.method import FinetuneMethod
from harness.training.optimizer import Optimizer, OptimizerConfig

SPEC = DataSpec((8,), 0, "points")
TRAINING = TrainingConfig(images=64, batch=64)


class Square(nn.Module):
    """36 numbers to train, and 100 that are not."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)
        self.frozen = nn.Parameter(torch.zeros(100), requires_grad=False)

    def forward(self, x):
        return self.linear(x)

    def training_loss(self, x, labels, generator):
        return self(x).square().sum(1)


class Deep(Square):
    """Keeps far more of an example than it has weights."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Tanh())))

    def forward(self, x):
        return self.linear(self.layers(x))


class Fit(FinetuneMethod):
    """The pretraining loss against a frozen reference; at every second step on a bank."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.reference = task.frozen_copy()
        self.optimizer = Optimizer(OptimizerConfig(name="adam"), task.model.parameters(), updates=task.steps)
        self.rows = None

    @property
    def period(self):
        return 2

    def step(self, batch, generator, index):
        with torch.no_grad():
            self.reference(batch.x)
        loss = self.task.model.training_loss(batch.x, None, generator).mean()
        if index:
            bank = self.task.bank(self.reference, 1000, "bank")
            loss = loss + self.task.model.training_loss(bank[torch.arange(len(batch))].x, None, generator).mean()
        self.optimizer.update(loss)
        return {"loss": loss.detach()}


class Asks(Fit):
    def step(self, batch, generator, index):
        raise ValueError("no step without values")


def resolved(make):
    component = SimpleNamespace(create=lambda *given: make(*given))
    return SimpleNamespace(component=component, settings=None, bases=())


def draw_once(model, spec, streams, labels):
    return model(streams.normal(8))


def network(make):
    sampler = resolved(lambda _: draw_once)
    return SimpleNamespace(spec_on=lambda data: data, model=resolved(lambda *_: make()), sampler=sampler)


def test_trained_scalars_and_all_weights_are_counted():
    assert network_size(network(Square), SPEC) == NetworkSize(parameters=36, weight_bytes=4 * 136)


def test_a_step_of_the_pretraining_loss_by_hand():
    cost = loss_cost(network(Square), SPEC, TRAINING, "why")
    # Weights, gradients, two moments: a linear layer of 8 × 4, forwards and backwards; the input asks for no gradient.
    assert (cost.state_bytes, cost.reason) == (4 * (136 + 3 * 36), "why")
    assert cost.flops == {"fp32": 2 * (2 * 8 * 4)}


def test_memory_is_that_of_a_real_step():
    n = 4096
    real, kept = Deep(), {}

    def keep(tensor):
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = real.training_loss(torch.zeros(n, 8), None, None).mean()
    of_weights = {weight.untyped_storage()._cdata for weight in real.parameters()}
    saved = sum(storage.nbytes() for place, storage in kept.items() if place not in of_weights)
    del loss
    cost = loss_cost(network(Deep), SPEC, TrainingConfig(images=n, batch=n), "")
    # The step also holds results that are let go at once: the activations' gradients and the input's rows.
    assert saved <= cost.peak_bytes - cost.state_bytes <= 1.4 * saved


def test_a_method_has_its_reference_its_bank_and_its_whole_period():
    cost = step_cost(network(Square), SPEC, resolved(Fit), TRAINING, "fp32", has_banks=True)
    assert isinstance(cost, StepCost)
    assert (cost.examples, cost.banks, cost.reason) == (64, ((1000, 1000 * 8 * 4),), "")
    copies = 4 * (2 * 136 + 3 * 36)  # θ and the reference whole; gradients and two moments of what is trained
    assert 0 <= cost.state_bytes - copies < 200  # a loss that autograd still holds
    one_pass = 2 * 8 * 4
    assert cost.flops == {"fp32": ((1 + 2) + (1 + 4)) * one_pass / 2}  # of two steps; the second trains on the bank too


def test_what_runs_in_half_precision_is_counted_apart():
    half = TrainingConfig(images=64, batch=64, precision="bf16")
    assert set(step_cost(network(Square), SPEC, resolved(Fit), half, "fp32", has_banks=True).flops) == {"bf16"}


def test_micro_batches_go_through_at_once_and_operations_are_those_of_an_example():
    cut = TrainingConfig(images=64, batch=64, micro_batch=16)
    whole, parts = (loss_cost(network(Deep), SPEC, training, "") for training in (TRAINING, cut))
    assert (parts.examples, parts.flops) == (16, whole.flops)
    assert parts.peak_bytes < whole.peak_bytes


def test_another_number_of_examples_takes_about_what_its_own_step_does():
    many, few = (TrainingConfig(images=4096, batch=n) for n in (4096, 512))
    whole, part = (loss_cost(network(Deep), SPEC, training, "") for training in (many, few))
    assert whole.of(512).peak_bytes == pytest.approx(part.peak_bytes, rel=0.1)
    assert (whole.of(512).examples, whole.of(512).flops) == (512, part.flops)


def test_a_method_that_cannot_do_without_values_leaves_the_pretraining_loss_and_the_reason():
    cost = step_cost(network(Square), SPEC, resolved(Asks), TRAINING, "fp32", has_banks=True)
    assert cost.reason == "ValueError: no step without values"
    assert cost.flops == {"fp32": 128}


def test_a_long_period_is_not_taken(monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PERIOD", 1)
    cost = step_cost(network(Square), SPEC, resolved(Fit), TRAINING, "fp32", has_banks=True)
    assert "after 2 steps, which are not taken" in cost.reason


@pytest.mark.parametrize("calls", [1, 35])
def test_samples_cost_what_their_evaluations_cost(calls):
    def sampler(_):
        def draw(model, spec, streams, labels):
            x = streams.normal(8)
            for _ in range(calls):
                x = torch.cat([model(x), model(x)], 1)
            return x

        return draw

    cost = sampling_cost(network(Square), SPEC, resolved(sampler), "bf16")
    assert cost.nfe == 2 * calls
    assert cost.flops == {"bf16": 2 * calls * 2 * 8 * 4}
    assert cost.fixed_bytes == 4 * 136
    assert 0 < cost.sample_bytes <= 4 * (8 + 8 + 4 + 4 + 8)


def test_a_sampler_that_fails_leaves_the_reason():
    assert sampling_cost(network(Square), SPEC, resolved(lambda _: lambda *_: 1 / 0), "fp32") == (
        "ZeroDivisionError: division by zero"
    )
