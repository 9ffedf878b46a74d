"""The checks of methods find each broken promise in a method that otherwise keeps all of them."""

import dataclasses

import pytest
import torch
from noised_layer import NoisedLayer
from pydantic import Field

from harness.components import Method
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing import methods
from harness.testing.methods import Bench, check_method
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod
from harness.training.micro_batches import training_losses
from harness.training.optimizer import Optimizer, OptimizerConfig

SPEC = DataSpec((2,))


class FitConfig(Config):
    pull: float = Field(0.1, ge=0, description="weight of the pull to the base")


class Model(NoisedLayer):
    """A denoiser too."""

    sigma_range = (0.1, 10.0)

    def denoise(self, x, sigma, labels):
        return self(x)


class Fit(FinetuneMethod):
    """The pretraining loss in micro-batches, pulled to a bank of the base's samples; merges with the base at the end."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.base = task.frozen_copy()
        self.optimizer = Optimizer(OptimizerConfig(lr=0.05), task.model.parameters(), updates=task.steps)
        self.keep(base=self.base, optimizer=self.optimizer)

    def step(self, batch, generator, index):
        loss = self.optimizer.update_in_parts(training_losses(self.task, batch, generator))
        return {"loss": loss, "bank": self.task.bank(self.base, 4, "base").x.mean()}

    def result(self, weights):
        return {name: (value + self.base.state_dict()[name]) / 2 for name, value in weights.items()}


def sampler(model, spec, streams, labels):
    return model(streams.normal(*spec.shape))


def task():
    return InMemoryTask(Model(), SPEC, sampler, steps=3, batch=5)


REAL = Batch(torch.randn(12, 2, generator=stream(0, "real")))


@pytest.fixture
def bench(target):
    """The bench of a method; of the conforming one by default."""

    def make(method=Fit, **fields):
        options = {"config": FitConfig, "needs": frozenset({"Trains", "TrainsInParts"}), "accumulates": True, **fields}
        component = Method("fit", build=target(method), summary="fit", **options)
        return Bench(component, component.config(), task, REAL)

    return make


def test_a_method_that_keeps_the_rules_passes(bench):
    check_method(bench())


def test_the_checks_of_any_component_are_among_those_of_a_method(bench, failure):
    made = bench()
    broken = dataclasses.replace(made, method=dataclasses.replace(made.method, smoke={"push": 1}))
    assert "smoke sets 'push'" in failure(check_method, broken)


def test_needs_that_are_no_capabilities_are_found(bench, failure):
    assert failure(methods.check_needs_are_known, bench(needs=frozenset({"Train"}))).startswith("fit: needs names no capability")


def test_what_is_no_method_is_found(bench, failure):
    class Steps:
        def __init__(self, config, task):
            pass

        def step(self, batch, generator, index): ...
        def result(self, weights): ...
        def state_dict(self): ...
        def load_state_dict(self, state): ...

    made = bench(Steps)
    assert "it must be a harness.training.method.FinetuneMethod" in failure(made.build, task())
    with pytest.raises(UserError, match="without load_state_dict, result, state_dict, step"):
        bench(lambda _, task: task).build(task())


def logging(value):
    """A method that logs this beside its loss."""

    class Logs(Fit):
        def step(self, batch, generator, index):
            return {**super().step(batch, generator, index), "extra": value(self)}

    return Logs


@pytest.mark.parametrize(("value", "message"), [
    (lambda _: 0.5, "step 0: extra is a float, not a tensor"),
    (lambda _: torch.ones(3), "step 0: extra has shape (3,); log scalars, such as a mean"),
    (lambda method: method.task.model.layer.weight.sum(), "step 0: extra is not detached, so its graph stays in memory"),
    (lambda _: torch.tensor(float("nan")), "step 0: extra is nan"),
])  # fmt: skip
def test_logs_of_another_form_are_found(bench, failure, value, message):
    methods.check_steps_log_finite_scalars(bench())
    assert failure(methods.check_steps_log_finite_scalars, bench(logging(value))) == message


@pytest.mark.parametrize(("given", "message"), [(None, "None"), (0.5, "a float"), ([torch.tensor(1.0)], "a list")])
def test_steps_that_give_no_scalars_by_name_are_found(bench, failure, given, message):
    silent = type("Silent", (Fit,), {"step": lambda *_: given})
    expected = f"step 0 gave {message}; it must give scalars by name, or {{}}"
    assert failure(methods.check_steps_log_finite_scalars, bench(silent)) == expected


class Idle(Fit):
    def step(self, batch, generator, index):
        return {"loss": torch.tensor(1.0)}


def test_training_that_changes_nothing_is_found(bench, failure):
    assert failure(methods.check_steps_log_finite_scalars, bench(Idle)) == "3 steps left every weight as it was"


class Counting(Fit):
    """Remembers, beyond its objects, how many were made."""

    made = 0

    def __init__(self, config, task):
        super().__init__(config, task)
        type(self).made += 1


class MovesByCount(Counting):
    def step(self, batch, generator, index):
        logs = super().step(batch, generator, index)
        with torch.no_grad():
            self.task.model.layer.bias.add_(self.made)
        return logs


class LogsCount(Counting):
    def step(self, batch, generator, index):
        return {**super().step(batch, generator, index), "made": torch.tensor(self.made)}


def test_runs_that_do_not_repeat_are_found(bench, failure):
    methods.check_runs_repeat(bench())
    assert failure(methods.check_runs_repeat, bench(MovesByCount)).startswith("two equal runs differ in ['layer.")
    assert failure(methods.check_runs_repeat, bench(LogsCount)) == "two equal runs log other values at step 0"


class DrawsWhenMade(Fit):
    def __init__(self, config, task):
        super().__init__(config, task)
        self.noise = torch.rand(2)


class DrawsInSteps(Fit):
    def step(self, batch, generator, index):
        torch.rand(())
        return super().step(batch, generator, index)


class ReadsTheSeed(Fit):
    def step(self, batch, generator, index):
        with torch.no_grad():
            self.task.model.layer.bias.add_(torch.initial_seed() % 5)  # of 7, a quarter of all seeds would agree
        return super().step(batch, generator, index)


@pytest.mark.parametrize(("method", "message"), [
    (DrawsWhenMade, "making the method draws from the global generator"),
    (DrawsInSteps, "a step draws from the global generator"),
    (ReadsTheSeed, "the global seed changes ['layer.weight', 'layer.bias']"),
])  # fmt: skip
def test_global_randomness_is_found(bench, failure, method, message):
    methods.check_global_randomness_is_left_alone(bench())
    assert failure(methods.check_global_randomness_is_left_alone, bench(method)) == message


class ForgetsItsOptimizer(Fit):
    def keep(self, **objects):
        super().keep(base=objects["base"])


class ForgetsACount(Fit):
    """Its weights go on as before; a count in its state does not."""

    count = 0

    def step(self, batch, generator, index):
        self.count += 1
        return super().step(batch, generator, index)

    def state_dict(self):
        return {**super().state_dict(), "count": self.count}


class MergesWithALostAverage(Fit):
    """An average of the weights that `result` alone uses, and that is not part of the state."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.average = {name: value.clone() for name, value in task.model.state_dict().items()}

    def step(self, batch, generator, index):
        logs = super().step(batch, generator, index)
        for name, value in self.task.model.state_dict().items():
            self.average[name].lerp_(value, 0.5)
        return logs

    def result(self, weights):
        return {name: value + self.average[name] for name, value in weights.items()}


class MergesWithALostSum(Fit):
    """What `result` needs counts from the second step on: directly after restoring, the first result is as before."""

    steps = 0

    def step(self, batch, generator, index):
        self.steps += 1
        return super().step(batch, generator, index)

    def result(self, weights):
        return {name: value * max(self.steps, 2) for name, value in weights.items()}


class LogsALostCount(ForgetsACount):
    def state_dict(self):
        return Fit.state_dict(self)

    def step(self, batch, generator, index):
        return {**super().step(batch, generator, index), "count": torch.tensor(self.count)}


class CountsInTheModel(Fit):
    """The model keeps a count in a buffer that its state dict leaves out."""

    def __init__(self, config, task):
        super().__init__(config, task)
        task.model.register_buffer("calls", torch.tensor(0), persistent=False)

    def step(self, batch, generator, index):
        self.task.model.calls.add_(1)
        return super().step(batch, generator, index)


class ForgetsAName(ForgetsACount):
    def state_dict(self):
        return {**super().state_dict(), **({"late": 1} if self.count == 3 else {})}


@pytest.mark.parametrize(("method", "message"), [
    (ForgetsItsOptimizer, "stopped after step 1, a resumed run differs in ['layer.weight', 'layer.bias']; put all state in keep"),
    (MergesWithALostAverage, "stopped after step 1, a resumed run has another result, before it takes a step, in ['"),
    (MergesWithALostSum, "stopped after step 1, a resumed run ends with another result in ['layer.weight', 'layer.bias']; "),
    (LogsALostCount, "stopped after step 1, a resumed run logs other values at step 1: ['count']; put all state in keep"),
    (CountsInTheModel, "stopped after step 1, a resumed run differs in the model's buffers ['calls'], which its state dict does"),
    (ForgetsACount, "stopped after step 1, a resumed run ends with another state of the method: ['count']"),
    (ForgetsAName, "stopped after step 1, a resumed run ends with another state of the method: ['late']"),
])  # fmt: skip
def test_state_that_a_resume_loses_is_found(bench, failure, method, message):
    methods.check_resume_is_exact(bench())
    assert failure(methods.check_resume_is_exact, bench(method), stops=[1]).startswith(message)


def test_state_that_is_no_plain_data_cannot_be_restored(bench):
    class KeepsCode(Fit):
        def state_dict(self):
            return {**super().state_dict(), "code": FitConfig()}

    with pytest.raises(Exception, match="weights_only"):
        methods.check_resume_is_exact(bench(KeepsCode), stops=[1])


def with_result(result):
    return type("Changed", (Fit,), {"result": result})


def in_place(self, weights):
    for value in weights.values():
        value.mul_(2)
    return weights


def of_the_model(self, weights):
    with torch.no_grad():
        self.task.model.layer.bias.zero_()
    return weights


calls = iter(range(100))


@pytest.mark.parametrize(("result", "message"), [
    (lambda *_: None, "result gave None; it must give the weights by name"),
    (in_place, "result changes its input: ['layer.weight', 'layer.bias']; change a copy"),
    (of_the_model, "result changes the model: ['layer.bias']"),
    (lambda _, weights: {"layer.weight": weights["layer.weight"]}, "result has other names: ['layer.bias']"),
    (lambda _, weights: {name: value + next(calls) for name, value in weights.items()},
     "result gives two answers for ['layer.weight', 'layer.bias']"),
    (lambda _, weights: {**weights, "layer.bias": weights["layer.bias"].double()}, "result reshapes or casts layer.bias"),
    (lambda _, weights: {**weights, "layer.bias": weights["layer.bias"][:1]}, "result reshapes or casts layer.bias"),
])  # fmt: skip
def test_results_that_are_not_pure_are_found(bench, failure, result, message):
    methods.check_result_is_pure(bench())
    assert failure(methods.check_result_is_pure, bench(with_result(result))) == message


class Denoises(Fit):
    def step(self, batch, generator, index):
        self.task.model.denoise(batch.x, torch.tensor(1.0), None)
        return super().step(batch, generator, index)


def test_a_capability_that_is_used_and_not_declared_is_found(bench, failure):
    methods.check_needs_are_enough(bench())
    message = failure(methods.check_needs_are_enough, bench(Denoises))
    assert message == "the method uses denoise of the model, but its needs declare Trains, TrainsInParts"
    assert failure(methods.check_needs_are_enough, bench(needs=frozenset())).endswith("its needs declare nothing")
    methods.check_needs_are_enough(bench(Denoises, needs=frozenset({"Trains", "TrainsInParts", "Denoises"})))


class SumsMeans(Fit):
    """Forgets that the means of micro-batches do not add up to the mean of the batch."""

    def step(self, batch, generator, index):
        draw = self.task.model.training_draw(batch.x, generator)
        parts = self.task.micro_batches(len(batch))
        losses = (self.task.model.training_loss_at(batch.x[rows], None, draw[rows]).mean() for rows in parts)
        return {"loss": self.optimizer.update_in_parts(losses)}


class DrawsForEach(Fit):
    """Draws the randomness of each micro-batch on its own, in an order of its own."""

    def step(self, batch, generator, index):
        parts = self.task.micro_batches(len(batch))[::-1]
        losses = (self.task.model.training_loss(batch.x[rows], None, generator).sum() / len(batch) for rows in parts)
        self.optimizer.update_in_parts(losses)
        return {}


def test_micro_batches_that_matter_are_found(bench, failure):
    methods.check_micro_batches_do_not_matter(bench())
    assert failure(methods.check_micro_batches_do_not_matter, bench(SumsMeans)).startswith("in micro-batches loss is ")
    message = failure(methods.check_micro_batches_do_not_matter, bench(DrawsForEach))
    assert message.startswith("in micro-batches the gradient differs by ")


class HasHistory(Fit):
    """Merges with what the last step saw, which a new method on the base does not know."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.last = torch.zeros(())

    def step(self, batch, generator, index):
        self.last = batch.x.mean()
        return super().step(batch, generator, index)

    def result(self, weights):
        return {name: value + self.last for name, value in super().result(weights).items()}


def test_a_result_with_a_history_is_found_where_settings_are_said_to_merge_alone(bench, failure):
    merges = frozenset({"pull"})
    methods.check_result_needs_the_base_alone(bench(merges=merges))
    message = failure(methods.check_result_needs_the_base_alone, bench(HasHistory, merges=merges))
    assert message.endswith("`merges` needs a result without a history")
    with pytest.raises(ValueError, match="method fit: merges names no setting by push"):
        bench(merges=frozenset({"push"}))


class Never(FinetuneMethod):
    def step(self, batch, generator, index):
        raise NotImplementedError("a method that does not train gets no steps")


def test_a_method_that_does_not_train_is_asked_for_its_result_alone(bench, failure):
    untrained = {"trains": False, "needs": frozenset(), "accumulates": False}
    check_method(bench(Never, **untrained))
    assert "changes its input" in failure(check_method, bench(type("Changes", (Never,), {"result": in_place}), **untrained))


class Deterministic(Fit):
    """Wants deterministic algorithms, for the whole process."""

    def step(self, batch, generator, index):
        torch.use_deterministic_algorithms(True)
        return super().step(batch, generator, index)


def test_a_method_that_leaves_torch_changed_is_refused(bench):
    with pytest.raises(AssertionError, match=r"^method fit .* changed: torch's deterministic algorithms"):
        check_method(bench(Deterministic))
    assert not torch.are_deterministic_algorithms_enabled()
