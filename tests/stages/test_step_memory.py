"""The memory of a step, found without taking any: the weights, and what the loss keeps for its backward pass."""

from types import SimpleNamespace

import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.stages.step_memory import StepMemory, built_on_meta, step_memory

SPEC = DataSpec((8,), 0, "points")


class Square(nn.Module):
    """Keeps, of each example, the input of a linear layer (8 numbers) and the output that is squared (4)."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)
        self.frozen = nn.Parameter(torch.zeros(100), requires_grad=False)

    def training_loss(self, x, labels, generator):
        return self.linear(x).square().sum(1)


class Asks(Square):
    def training_loss(self, x, labels, generator):
        return super().training_loss(x, labels, generator) * x.sum().item()


def network(make):
    component = SimpleNamespace(create=lambda *_: make())
    return SimpleNamespace(spec_on=lambda data: data, model=SimpleNamespace(component=component, settings=None))


def test_a_network_is_built_without_memory():
    module = built_on_meta(network(Square), SPEC)
    assert {value.device.type for value in module.state_dict().values()} == {"meta"}


def test_weights_and_what_a_loss_keeps_are_counted_once():
    assert step_memory(Square(), SPEC) == StepMemory(parameters=36, weight_bytes=4 * 136, example_bytes=4 * (8 + 4))


def test_a_loss_that_asks_for_a_value_leaves_activations_unknown_with_the_reason():
    memory = step_memory(Asks(), SPEC)
    assert (memory.parameters, memory.example_bytes) == (36, None)
    assert "item" in memory.reason or "meta" in memory.reason
