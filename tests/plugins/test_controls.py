"""The control arms: `none` and `mle`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness_controls import MLEConfig
from harness_controls.mle import MLE
from harness_controls.none import Nothing


class Mean(nn.Module):
    """A normal distribution with a learned mean: its training loss is the squared distance to it."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(2))

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        return (x - self.mean).square().sum(1)


def task(steps: int = 300) -> InMemoryTask:
    return InMemoryTask(Mean(), DataSpec((2,)), lambda *_: torch.zeros(1, 2), steps=steps, batch=4)


REAL = Batch(torch.tensor([[1.0, 0.0], [1.0, 2.0], [3.0, 0.0], [3.0, 2.0]]))


def test_mle_logs_the_mean_of_the_pretraining_loss() -> None:
    logged = MLE(MLEConfig(), task()).step(REAL, stream(0, "t"), 0)
    assert logged["loss"].item() == (1 + 5 + 9 + 13) / 4  # squared distances of the four points to zero, by hand


def test_mle_reaches_the_maximum_of_the_likelihood() -> None:
    on = task()
    method = MLE(MLEConfig(optimizer={"lr": 0.1, "decay": "linear"}), on)
    for index in range(on.steps):
        method.step(REAL, stream(0, "t", index), index)
    # RMSprop's steps have the size of its rate, whose last one is 0.1 / 300.
    torch.testing.assert_close(on.model.mean.data, torch.tensor([2.0, 1.0]), rtol=0, atol=1e-2)


def test_the_published_pretraining_is_the_default() -> None:
    optimizer = MLEConfig().optimizer
    assert (optimizer.name, optimizer.lr, optimizer.clip) == ("rmsprop", 1e-3, 1.0)


def test_naming_one_setting_of_the_optimiser_leaves_the_others_at_the_methods_defaults() -> None:
    assert MLEConfig(optimizer={"lr": 1e-4}).optimizer.name == "rmsprop"


def test_none_evaluates_the_base_as_it_is() -> None:
    on = task()
    weights = on.model.state_dict()
    assert Nothing(None, on).result(weights) is weights


def test_a_step_is_one_of_gradient_descent_on_the_pretraining_loss() -> None:
    on = task()
    MLE(MLEConfig(optimizer={"name": "sgd", "lr": 0.25, "clip": None}), on).step(REAL, stream(0, "t"), 0)
    # The gradient of the mean squared distance at 0 is -2 times the mean of the points, (2, 1).
    torch.testing.assert_close(on.model.mean.data, torch.tensor([1.0, 0.5]))


def test_the_default_clips_the_gradient_to_a_norm_of_one() -> None:
    on = task()
    MLE(MLEConfig(optimizer={"name": "sgd", "lr": 1.0}), on).step(REAL, stream(0, "t"), 0)
    assert abs(on.model.mean.data.norm().item() - 1) < 1e-5


def test_the_schedule_covers_all_steps_of_the_task() -> None:
    assert MLE(MLEConfig(), task(37)).optimizer.updates == 37


def test_a_resume_goes_on_with_the_optimisers_moments() -> None:
    def after(split: bool) -> Tensor:
        on = task()
        method = MLE(MLEConfig(optimizer={"name": "adam", "lr": 0.1}), on)
        for index in range(6):
            if split and index == 3:
                state, method = method.state_dict(), MLE(MLEConfig(optimizer={"name": "adam", "lr": 0.1}), on)
                method.load_state_dict(state)
            method.step(REAL, stream(0, "t", index), index)
        return on.model.mean.detach()

    assert torch.equal(after(split=True), after(split=False))


def test_none_does_nothing_where_it_is_asked_for_a_step() -> None:
    on = task()
    before = on.model.mean.detach().clone()
    assert Nothing(None, on).step(REAL, stream(0, "t"), 0) == {}
    torch.testing.assert_close(on.model.mean, before, rtol=0, atol=0)
    assert Nothing(None, on).state_dict() == {}
