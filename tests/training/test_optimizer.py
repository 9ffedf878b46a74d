import copy

import pytest
import torch
from torch import nn

from harness.training.optimizer import Optimizer, OptimizerConfig


@pytest.mark.parametrize(("settings", "expected"), [
    ({}, [1, 1, 1, 1, 1]),
    ({"warmup": 0.5}, [0.5, 1, 1, 1, 1]),
    ({"warmup": 1.0}, [0.25, 0.5, 0.75, 1, 1]),
    ({"decay": "linear"}, [1, 0.75, 0.5, 0.25, 0]),
    ({"decay": "cosine"}, [1, 0.8535533905932737, 0.5, 0.1464466094067262, 0]),  # (1 + cos(k π / 4)) / 2
    ({"warmup": 0.5, "decay": "linear"}, [0.5, 1, 1, 0.5, 0]),
])  # fmt: skip
def test_the_rate_over_four_updates(settings, expected):
    config = OptimizerConfig(**settings)
    assert [config.factor(update, 4) for update in range(5)] == pytest.approx(expected, abs=1e-12)


def test_a_fraction_of_one_update_warms_nothing_up():
    assert OptimizerConfig(warmup=0.1).factor(0, 4) == 1.0


def test_gradients_are_clipped_over_all_parameters():
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0, clip=1.0), weights, updates=1)
    optimizer.update(3 * weights[0].sum() + 4 * weights[1].sum())  # the gradient's norm is 5
    assert [weight.item() for weight in weights] == pytest.approx([-0.6, -0.8], abs=1e-6)


def test_parameters_without_gradients_are_left_out():
    frozen, free = nn.Parameter(torch.ones(1), requires_grad=False), nn.Parameter(torch.ones(1))
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0), [frozen, free], updates=1)
    optimizer.update((frozen * free).sum())
    assert (frozen.item(), free.item()) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_it_goes_on_exactly_from_its_state(name):
    config = OptimizerConfig(name=name, lr=0.1, warmup=0.3, decay="cosine", clip=0.5)
    model = nn.Linear(3, 2)
    whole, x = copy.deepcopy(model), torch.randn(5, 3)
    straight = Optimizer(config, whole.parameters(), updates=6)
    for _ in range(6):
        straight.update((whole(x) ** 2).mean())
    first = Optimizer(config, model.parameters(), updates=6)
    for _ in range(2):
        first.update((model(x) ** 2).mean())
    second = Optimizer(config, model.parameters(), updates=6)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(4):
        second.update((model(x) ** 2).mean())
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), whole.parameters(), strict=True))
