"""The base class of methods: what is kept, and the weights that are evaluated unless a method says otherwise."""

import pytest
import torch
from torch import nn

from harness.interfaces import Batch, DataSpec, TakesSteps
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod


def no_sampler(*_):
    raise NotImplementedError


class Shrinks(FinetuneMethod):
    """Shrinks the weights, and keeps what it was made with."""

    def step(self, batch, generator, index):
        with torch.no_grad():
            self.task.model.weight.mul_(0.5)
        return {"size": self.task.model.weight.norm().detach()}


@pytest.fixture
def task():
    return InMemoryTask(nn.Linear(2, 2), DataSpec((2,)), no_sampler, steps=2, batch=4)


class Counter:
    """Something of the method's own that has a state."""

    def __init__(self):
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def test_a_method_offers_what_the_loop_calls(task):
    method = Shrinks({"rate": 0.5}, task)
    assert isinstance(method, TakesSteps)
    assert method.config == {"rate": 0.5}
    assert method.task is task
    assert method.step(Batch(torch.zeros(4, 2)), stream(0, "step"), 0).keys() == {"size"}


def test_a_method_without_a_step_cannot_be_made(task):
    with pytest.raises(TypeError, match="step"):
        FinetuneMethod(None, task)  # type: ignore[abstract]


def test_what_is_kept_is_saved_and_restored_under_its_name(task):
    first, second = Shrinks(None, task), Shrinks(None, task)
    counters, critics = (Counter(), Counter()), (nn.Linear(2, 1), nn.Linear(2, 1))
    for method, counter, critic in zip((first, second), counters, critics, strict=True):
        method.keep(counter=counter)
        method.keep(critic=critic)
    counters[0].count = 3
    state = first.state_dict()
    assert state.keys() == {"counter", "critic"}
    second.load_state_dict(state)
    assert counters[1].count == 3
    assert torch.equal(critics[1].weight, critics[0].weight)


def test_a_name_that_is_kept_again_stands_for_the_newer_object(task):
    method, old, new = Shrinks(None, task), Counter(), Counter()
    method.keep(counter=old)
    method.keep(counter=new)  # as an optimiser that is renewed between rounds
    new.count = 5
    assert method.state_dict() == {"counter": {"count": 5}}


def test_a_method_that_keeps_nothing_has_no_state_and_evaluates_the_trained_weights(task):
    method, weights = Shrinks(None, task), {"weight": torch.ones(1)}
    assert method.state_dict() == {}
    method.load_state_dict({})
    assert method.result(weights) is weights
