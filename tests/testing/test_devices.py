"""The check that devices do not matter: what just works, what is found, and what a run refuses."""

import copy

import pytest
import torch
from noised_layer import NoisedLayer
from torch import nn

from harness.components import Method
from harness.config import NoConfig
from harness.interfaces import Batch, DataSpec
from harness.sampling import sharing
from harness.streams import stream
from harness.testing.devices import SharedBench, check_devices_do_not_matter
from harness.testing.methods import Bench
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer, OptimizerConfig

SPEC = DataSpec((2,))


class Drops(NoisedLayer):
    """Drops activations at random in each call."""

    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5)


class Fit(FinetuneMethod):
    """The pretraining loss in micro-batches, beside a bank and new samples."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.base = task.frozen_copy()
        self.optimizer = Optimizer(OptimizerConfig(lr=0.05), task.model.parameters(), updates=task.steps)
        self.keep(base=self.base, optimizer=self.optimizer)

    def step(self, batch, generator, index):
        loss = self.optimizer.update_in_parts(training_losses(self.task, batch, generator))
        new = self.task.sample(self.base, 5, None, generator)
        return {"loss": loss, "bank": self.task.bank(self.base, 4, "base").x.mean(), "new": new.std()}


def sampler(model, spec, streams, labels):
    return model(streams.normal(*spec.shape))


@pytest.fixture
def bench(target):
    """The bench of a method; of the conforming one by default."""

    def make(method=Fit, model=NoisedLayer):
        component = Method("fit", build=target(method), summary="fit", needs=frozenset({"Trains", "TrainsInParts"}))
        real = Batch(torch.randn(12, 2, generator=stream(0, "real")))
        return Bench(component, NoConfig(), lambda: InMemoryTask(model(), SPEC, sampler, steps=3, batch=5), real)

    return make


class OwnOptimizer(Fit):
    """Takes its updates with torch's optimiser."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.own = torch.optim.SGD(task.model.parameters(), lr=0.05)

    def step(self, batch, generator, index):
        self.own.zero_grad()
        for loss in training_losses(self.task, batch, generator):
            loss.backward()
        self.own.step()
        return {}


class ClipsItself(Fit):
    """Clips gradients before the update, by their norm over the batch."""

    def step(self, batch, generator, index):
        self.optimizer.zero()
        loss = next(iter(training_losses(self.task, batch, generator)))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.task.model.parameters(), 0.1)
        self.optimizer.apply()
        return {"norm": norm.detach()}


class NormalisesOverTheBatch(Fit):
    """Weights each example by its place in the batch's losses, and pulls the weights to zero."""

    def step(self, batch, generator, index):
        losses = self.task.model.training_loss(batch.x, batch.labels, generator)
        weights = losses.detach().softmax(0)
        penalty = sum(parameter.square().sum() for parameter in self.task.model.parameters())
        self.optimizer.update((weights * losses / losses.detach().std()).sum() + penalty)
        return {"spread": losses.detach().std()}


@pytest.mark.parametrize("method", [Fit, OwnOptimizer, ClipsItself, NormalisesOverTheBatch])
def test_methods_that_know_nothing_of_devices_pass(bench, method):
    check_devices_do_not_matter(bench(method))


class TrainsACopy(Fit):
    """Trains a copy of the network with torch's optimiser, and takes its weights over."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.copy = copy.deepcopy(task.model)
        self.own = torch.optim.SGD(self.copy.parameters(), lr=0.05)

    def step(self, batch, generator, index):
        self.own.zero_grad()
        self.copy.training_loss(batch.x, batch.labels, generator).mean().backward()
        self.own.step()
        self.task.model.load_state_dict(self.copy.state_dict())
        return {}


class DrawsByItself(Fit):
    """Draws numbers that another process does not draw."""

    def step(self, batch, generator, index):
        group = sharing.active()
        with torch.no_grad():
            self.task.model.layer.bias.add_(0.0 if group is None else group.rank)
        return {}


@pytest.mark.parametrize("method", [TrainsACopy, DrawsByItself])
def test_processes_that_drift_apart_are_found(bench, method):
    with pytest.raises(AssertionError, match=r"hold different weights after step 1 .*harness.training.optimizer.Optimizer"):
        check_devices_do_not_matter(bench(method))


class CountsProcesses(Fit):
    """Multiplies its loss by the number of processes."""

    def step(self, batch, generator, index):
        group = sharing.active()
        losses = (loss * (1 if group is None else group.size) for loss in training_losses(self.task, batch, generator))
        self.optimizer.update_in_parts(losses)
        return {}


def test_gradients_of_another_length_are_found(bench):
    with pytest.raises(AssertionError, match=r"on two devices the gradient differs by 1.0e\+00 of its length"):
        check_devices_do_not_matter(bench(CountsProcesses))


def test_a_network_that_draws_random_numbers_is_refused_and_the_check_goes_by(bench):
    with pytest.raises(sharing.NotShared, match="--devices 2: the network draws random numbers while it computes"):
        SharedBench(bench(model=Drops), 2).take(0)
    check_devices_do_not_matter(bench(model=Drops))


def test_micro_batches_are_those_of_each_device(bench):
    shared = SharedBench(bench(Fit), 2)
    shared.tasks[0].micro_batch = 2
    assert shared.tasks[0].micro_batches(5) == [slice(0, 4), slice(4, 5)]
