"""A narrowed model shows a method the capabilities that it declares, and nothing more."""

import copy

import pytest
import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.narrow import Undeclared, narrowed
from harness.testing.task import InMemoryTask

SPEC = DataSpec((2,))


class Model(nn.Module):
    """Trains by a likelihood, and denoises."""

    sigma_range = (0.1, 10.0)

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)

    def draw(self, x, generator):
        return None

    def log_likelihood(self, x, labels, draw):
        return -self(x).square().sum(1)

    def training_loss(self, x, labels, generator):
        return -self.log_likelihood(x, labels, self.draw(x, generator))

    def denoise(self, x, sigma, labels):
        return self(x)


def by_denoising(model, spec, streams, labels):
    return model.denoise(streams.normal(*spec.shape), torch.tensor(1.0), labels)


def task(needs):
    return narrowed(InMemoryTask(Model(), SPEC, by_denoising, steps=1, batch=4), frozenset(needs))


def test_what_is_declared_can_be_reached_and_builds_on_what_is_not():
    model = task({"Trains"}).model
    assert model.training_loss(torch.ones(3, 2), None, stream(0, "loss")).shape == (3,)


@pytest.mark.parametrize(("needs", "member"), [
    ({"Trains"}, "log_likelihood"), ({"Trains"}, "draw"), ({"Likelihood"}, "training_loss"), (set(), "sigma_range"),
])  # fmt: skip
def test_what_is_not_declared_is_out_of_reach(needs, member):
    with pytest.raises(Undeclared, match=member):
        getattr(task(needs).model, member)


def test_the_network_itself_is_always_there():
    model = task(set()).model
    assert model(torch.ones(3, 2)).shape == (3, 2)
    assert set(model.state_dict()) == {"layer.weight", "layer.bias"}


def test_copies_hide_the_same():
    made = task({"Trains"})
    for twin in (made.frozen_copy(), copy.deepcopy(made.model)):
        with pytest.raises(Undeclared):
            twin.denoise(torch.ones(1, 2), torch.tensor(1.0), None)


def test_the_sampler_of_a_bank_sees_the_whole_model_and_afterwards_it_is_narrow_again():
    made = task({"Trains"})
    assert made.bank(made.model, 5, "own").x.shape == (5, 2)
    with pytest.raises(Undeclared):
        made.model.denoise(torch.ones(1, 2), torch.tensor(1.0), None)
