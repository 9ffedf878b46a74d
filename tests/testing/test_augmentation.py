"""Checks of labels of augmentation: models that take them, and methods that pass them on; broken ones are found."""

import pytest
import torch
from torch import nn

from harness.components import Method
from harness.config import NoConfig
from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing.augmentation import check_augmentation_is_told, check_takes_augmentation
from harness.testing.methods import Bench
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer, OptimizerConfig

SPEC = DataSpec((1, 2, 2), preview="images")


class Told(nn.Module):
    """Noised images through a layer, which labels of augmentation shift."""

    augmentation_labels = 3

    def __init__(self):
        super().__init__()
        self.layer, self.shift = nn.Linear(4, 4), nn.Linear(3, 4, bias=False)

    def forward(self, x, told=None):
        seen = self.layer(x.flatten(1))
        return seen if told is None else seen + self.shift(told)

    def training_draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def training_loss_at(self, x, labels, draw):
        return self.augmented_loss_at(x, labels, draw, None)

    def training_loss(self, x, labels, generator):
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def augmented_loss_at(self, x, labels, draw, augmentation):
        return (self(x + draw, augmentation) - x.flatten(1)).square().sum(1)


class Offset(Told):
    """Takes labels of zero for other than none."""

    def augmented_loss_at(self, x, labels, draw, augmentation):
        return super().augmented_loss_at(x, labels, draw, None if augmentation is None else augmentation + 1)


class Mean(Told):
    """Mixes the labels of a batch."""

    def augmented_loss_at(self, x, labels, draw, augmentation):
        mean = None if augmentation is None else augmentation.mean(0, keepdim=True).expand_as(augmentation)
        return super().augmented_loss_at(x, labels, draw, mean)


class Untold(Mean):
    augmentation_labels = 0


def test_a_network_that_takes_labels_passes_and_one_without_a_place_for_them():
    check_takes_augmentation(Told(), SPEC)
    check_takes_augmentation(Untold(), SPEC)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Offset, "the loss with labels of zero and without"),
        (Mean, "the losses of a micro-batch of augmented images alone and in its batch"),
    ],
)
def test_labels_that_mean_something_else_are_found(failure, network, message):
    assert failure(check_takes_augmentation, network(), SPEC).startswith(message)


class Tells(FinetuneMethod):
    def __init__(self, config, task):
        super().__init__(config, task)
        self.optimizer = Optimizer(OptimizerConfig(), task.model.parameters(), updates=task.steps)

    def step(self, batch, generator, index):
        return {"loss": self.optimizer.update_in_parts(training_losses(self.task, batch, generator))}


class Forgets(Tells):
    """Makes a batch of its own."""

    def step(self, batch, generator, index):
        return super().step(Batch(batch.x, batch.labels), generator, index)


def no_sampler(*_):
    raise NotImplementedError


def bench(build):
    method = Method("tells", build=build, summary="", config=NoConfig, needs=frozenset({"Trains"}), augments=True)
    real = Batch(torch.randn(8, *SPEC.shape, generator=stream(0, "real")))
    return Bench(method, NoConfig(), lambda: InMemoryTask(Told(), SPEC, no_sampler, steps=1, batch=5), real)


def test_a_method_that_does_not_tell_the_network_is_found(failure, target):
    check_augmentation_is_told(bench(target(Tells)))
    message = failure(check_augmentation_is_told, bench(target(Forgets)))
    assert message == "the method declares augments, and its step does not tell the network how each image was augmented"
