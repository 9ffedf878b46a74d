"""The checks of rounds find what a method carries over the border of a round."""

import pytest
import torch
from torch import nn

from harness.components import Method
from harness.interfaces import Batch, DataSpec
from harness.testing.methods import Bench, check_rounds_forget
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod
from harness.training.optimizer import Optimizer, OptimizerConfig
from harness.training.rounds import RoundsConfig

SPEC = DataSpec((2,))
REAL = Batch(torch.linspace(-1, 2, 12).view(6, 2))


class Pull(FinetuneMethod):
    """Pulls the network to the data, with a new optimiser in each round."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.begin_round(config.schedule(task.steps).all[0])

    def begin_round(self, part):
        self.optimizer = Optimizer(OptimizerConfig(lr=0.1, warmup=0.5), self.task.model.parameters(), part.steps)
        self.keep(optimizer=self.optimizer)

    def step(self, batch, generator, index):
        loss = (self.task.model(batch.x) - batch.x).square().mean()
        self.optimizer.update(loss)
        return {"loss": loss.detach()}


class KeepsItsOptimiser(Pull):
    """Takes the first round's optimiser into the second."""

    def begin_round(self, part):
        if part.number == 0:
            super().begin_round(part)


def bench_of(method, config=None):
    def task():
        model = nn.Linear(2, 2)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.5)
        return InMemoryTask(model, SPEC, lambda _model, _spec, streams, _labels: streams.normal(2), steps=6, batch=3)

    return Bench(Method("pull", build=f"test_rounds:{method.__name__}", summary="x"), config or RoundsConfig(), task, REAL)


@pytest.fixture(autouse=True)
def _built_here(monkeypatch):
    monkeypatch.setattr(Bench, "build", lambda bench, task: globals()[bench.method.build.split(":")[1]](bench.config, task))


def test_a_method_that_forgets_passes():
    check_rounds_forget(bench_of(Pull))


def test_an_optimiser_that_lives_on_is_found():
    with pytest.raises(AssertionError, match="a round that follows another, and the same round in a new method, differs"):
        check_rounds_forget(bench_of(KeepsItsOptimiser))


def test_a_method_without_rounds_has_nothing_to_check():
    check_rounds_forget(bench_of(KeepsItsOptimiser, config=OptimizerConfig()))
