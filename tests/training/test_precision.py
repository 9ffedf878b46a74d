"""Options of how a network computes: what they change, and what they must leave alone."""

import pytest
import torch

from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training import precision
from harness.training.config import TrainingConfig
from harness.training.optimizer import Optimizer, OptimizerConfig
from harness.training.task import TrainingTask
from harness_cca import CCAConfig
from harness_cca.method import CCA
from harness_ddo import DDOConfig
from harness_ddo.method import DDO

CPU = torch.device("cpu")


def training(**options):
    return TrainingConfig(images=8, batch=4, **options)


def convolution():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(8, 3, 3, padding=1))


def test_bf16_is_autocast_in_training_steps_and_off_where_float32_is_asked_for():
    layer, x = torch.nn.Linear(4, 4), torch.randn(2, 4)
    with precision.autocast(CPU, training()):
        assert layer(x).dtype == torch.float32
    with precision.autocast(CPU, training(precision="bf16")):
        assert layer(x).dtype == torch.bfloat16
        with precision.in_float32(CPU):
            assert layer(x).dtype == torch.float32


class Toy(torch.nn.Module):
    """A weight that is a leaf, whose rounded copy autocast could keep."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(4, 4))

    def forward(self, x):
        return x @ self.weight


def test_a_pass_in_bf16_sees_the_weights_of_the_last_update_of_its_step():
    network, x = Toy(), torch.randn(8, 4, generator=stream(0, "x"))
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=0.1), network.parameters(), updates=3)
    with precision.autocast(CPU, training(precision="bf16")):
        for _ in range(3):
            with torch.no_grad():
                before = network(x)
            optimizer.update(network(x).float().square().mean())
            assert not torch.equal(network(x), before)
            assert torch.equal(network(x), x.bfloat16() @ network.weight.bfloat16())


def test_a_part_in_float32_has_a_gradient_in_float32_in_a_step_in_bf16():
    gradients = []
    for name in ("float32", "bf16"):
        network, x = Toy(), torch.randn(8, 4, generator=stream(0, "x"))
        optimizer = Optimizer(OptimizerConfig(name="sgd", lr=0.0 + 1e-9), network.parameters(), updates=2)
        for update in (optimizer.update, lambda loss, on=optimizer: on.update_in_parts([loss])):
            with precision.autocast(CPU, training(precision=name)):
                with precision.in_float32(CPU):
                    loss = network(x).square().mean()
                update(loss)
            gradients.append(network.weight.grad)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0])


def test_channels_last_keeps_values_and_names():
    plain, other = convolution(), convolution()
    TrainingTask(other, DataSpec((3, 8, 8)), CPU, training(channels_last=True), None)
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not plain[0].weight.is_contiguous(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(plain(x), other(x))  # kernels add in another order
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in plain.state_dict().items())


def zeros(model, spec, streams, labels):
    return torch.zeros(len(streams), *spec.shape)


class Linear(torch.nn.Module):
    """A likelihood whose precision shows."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)
        self.seen, self.null_label = [], 3

    def draw(self, x, generator):
        return None

    def forward(self, x):
        out = self.layer(x)
        self.seen.append(out.dtype)
        return out

    def log_likelihood(self, x, labels, draw):
        return -self(x).float().square().sum(1)


@pytest.mark.parametrize("build", [lambda task: DDO(DDOConfig(bank_size=8), task), lambda task: CCA(CCAConfig(), task)])
def test_ddo_and_cca_take_their_ratios_in_float32_whatever_the_precision(build):
    task = InMemoryTask(Linear(), DataSpec((2,), 3), zeros, steps=2, batch=4)
    method = build(task)
    with precision.autocast(CPU, training(precision="bf16")):
        method.step(Batch(torch.randn(4, 2), torch.arange(4) % 3), stream(0, "step"), 0)
    for network in (task.model, method.reference):
        assert isinstance(network, Linear)
        assert set(network.seen) == {torch.float32}


def test_ddo_keeps_two_networks_and_the_state_of_one_optimiser():
    task = InMemoryTask(Linear(), DataSpec((2,)), zeros, steps=2, batch=4)
    method = DDO(DDOConfig(bank_size=8), task)
    for index in range(2):
        method.step(Batch(torch.randn(4, 2)), stream(0, "step", index), index)
    scalars = sum(parameter.numel() for parameter in task.model.parameters())
    modules = [value for value in vars(method).values() if isinstance(value, torch.nn.Module)]
    assert {id(module) for module in modules} == {id(method.reference), id(task.model)}  # no third copy of the weights
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in method.reference.parameters())
    moments = [value for state in method.optimizer.torch.state.values() for value in state.values() if value.dim()]
    assert sum(value.numel() for value in moments) == 2 * scalars  # Adam's two moments of theta, nothing of the reference
    trained = {id(parameter) for group in method.optimizer.torch.param_groups for parameter in group["params"]}
    assert trained == {id(parameter) for parameter in task.model.parameters()}


@pytest.mark.long
def test_a_compiled_network_counts_each_evaluation_and_computes_the_same():
    plain, other = convolution(), convolution()
    task = TrainingTask(other, DataSpec((3, 8, 8)), CPU, training(compile=True), None)
    x = torch.randn(2, 3, 8, 8)
    for n in range(1, 4):
        torch.testing.assert_close(other(x), plain(x))
        assert task.counter.examples == 2 * n
    assert other.state_dict().keys() == plain.state_dict().keys()
    twin = task.frozen_copy()
    with torch.no_grad():
        other[0].weight.zero_()
    torch.testing.assert_close(twin(x), plain(x))  # a copy does not run the weights that the original has now
