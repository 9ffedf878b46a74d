"""Conformance of methods: what the harness relies on, as functions that raise AssertionError with the reason.

A plugin's own test is three lines: make a `Bench` that builds its task and its method afresh, and call `check_method`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pydantic
import torch
from torch import Tensor, nn

from harness.capabilities import PROTOCOLS, TrainsInParts
from harness.components import Method
from harness.config import Config
from harness.interfaces import Batch
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod


@dataclass(frozen=True)
class Bench:
    """A method on a tiny task, made afresh as often as a check needs it.

    Args:
        method: the component under test.
        config: its settings; small ones, see `Component.smoke`.
        task: makes a task; each call must give one with the same weights, and nothing shared with earlier ones.
        real: training examples; step i gets rows drawn from the stream (seed, "data", i).
    """

    method: Method
    config: Config
    task: Callable[[], InMemoryTask]
    real: Batch

    def build(self, task: InMemoryTask) -> FinetuneMethod:
        """The method's object on this task."""
        built = self.method.load()(self.config, task)
        assert isinstance(built, FinetuneMethod), f"{self.method.build} gave {built!r}, which is no FinetuneMethod"
        return built

    def take(self, built: FinetuneMethod, first: int, stop: int) -> list[Mapping[str, Tensor]]:
        """Steps first … stop - 1 with the data and the streams that belong to them. Returns: what each one logged."""
        return [built.step(self._batch(built, i), stream(7, "method", i), i) for i in range(first, stop)]

    def _batch(self, built: FinetuneMethod, index: int) -> Batch:
        chosen = torch.randint(len(self.real), (built.task.batch,), generator=stream(7, "data", index))
        real = Batch(self.real.x, self.real.labels, torch.arange(len(self.real)))
        return real[chosen].to(built.task.device)


def check_method(bench: Bench) -> None:
    """All checks of this module."""
    check_config_is_strict(bench)
    check_needs_are_known(bench)
    check_result_is_pure(bench)
    if bench.method.trains:
        check_steps_log_finite_scalars(bench)
        check_runs_repeat(bench)
        check_global_randomness_is_left_alone(bench)
        check_resume_is_exact(bench)
        check_needs_are_enough(bench)
        if bench.method.accumulates:
            check_parts_do_not_matter(bench)


def check_config_is_strict(bench: Bench) -> None:
    """Unknown keys are faults, each field has a description, and `smoke` names fields and passes their checks."""
    cls = bench.method.config
    try:
        cls(**{"no such setting": 1})
    except pydantic.ValidationError:
        pass
    else:
        raise AssertionError(f"{cls.__name__} takes unknown keys; derive it from harness.Config")
    for name, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{name} has no description"
    cls(**bench.method.smoke)


def check_needs_are_known(bench: Bench) -> None:
    """`needs` holds names of capabilities."""
    unknown = bench.method.needs - set(PROTOCOLS)
    assert not unknown, f"needs names no capability: {sorted(unknown)}; there are {sorted(PROTOCOLS)}"


def check_steps_log_finite_scalars(bench: Bench) -> None:
    """Each step returns 0-dim, detached, finite tensors, and training changes the weights."""
    task = bench.task()
    before = snapshot(task.model)
    for index, logged in enumerate(bench.take(bench.build(task), 0, task.steps)):
        for name, value in logged.items():
            assert isinstance(value, Tensor), f"step {index}: {name} is a {type(value).__name__}, not a tensor"
            assert value.dim() == 0, f"step {index}: {name} has shape {tuple(value.shape)}; log scalars"
            assert not value.requires_grad, f"step {index}: {name} is not detached, so its graph stays in memory"
            assert torch.isfinite(value), f"step {index}: {name} is {value.item()}"
    assert difference(before, snapshot(task.model)), f"{task.steps} steps left every weight as it was"


def check_runs_repeat(bench: Bench) -> None:
    """The same data and generators give the same weights and logs, bit for bit."""
    first, second = bench.task(), bench.task()
    logs = bench.take(bench.build(first), 0, first.steps), bench.take(bench.build(second), 0, second.steps)
    assert not (moved := difference(snapshot(first.model), snapshot(second.model))), f"two equal runs differ in {moved}"
    for index, (one, other) in enumerate(zip(*logs, strict=True)):
        assert {name: value.item() for name, value in one.items()} == {name: value.item() for name, value in other.items()}, (
            f"two equal runs log other values at step {index}"
        )


def check_global_randomness_is_left_alone(bench: Bench) -> None:
    """Neither making the method nor a step draws from torch's global generator, and its seed does not matter."""
    weights = []
    for seed in (1, 2):
        task = bench.task()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            built = bench.build(task)
            assert torch.equal(before, torch.get_rng_state()), "making the method draws from the global generator"
            bench.take(built, 0, task.steps)
            assert torch.equal(before, torch.get_rng_state()), "a step draws from the global generator"
        weights.append(snapshot(task.model))
    assert not (moved := difference(*weights)), f"the global seed changes {moved}"


def check_resume_is_exact(bench: Bench, stops: Sequence[int] | None = None) -> None:
    """Stopped at any step and restored into new objects, a run ends with the same weights and state, bit for bit.

    Args:
        stops: steps after which to stop, in turn; every one by default.
    """
    whole = bench.task()
    built = bench.build(whole)
    saved = [_saved(built)]
    for index in range(whole.steps):
        bench.take(built, index, index + 1)
        saved.append(_saved(built))
    for stop in range(whole.steps + 1) if stops is None else stops:
        task, restored = _restored(bench, saved[stop])
        bench.take(restored, stop, task.steps)
        moved = difference(snapshot(whole.model), snapshot(task.model))
        assert not moved, f"stopped after step {stop}, a resumed run differs in {moved}"
        state, other = leaves(built.state_dict()), leaves(restored.state_dict())
        moved = sorted(state.keys() ^ other.keys()) or [name for name in state if not _equal(state[name], other[name])]
        assert not moved, f"stopped after step {stop}, a resumed run ends with another state of the method: {moved}"


def _saved(built: FinetuneMethod) -> bytes:
    """What the harness saves of a model and its method."""
    return _bytes({"model": built.task.model.state_dict(), "method": built.state_dict()})


def _restored(bench: Bench, saved: bytes) -> tuple[InMemoryTask, FinetuneMethod]:
    """As the harness does it: the new method is made on the base's weights, then model and method are restored."""
    fresh = bench.task()
    restored = bench.build(fresh)
    state = torch.load(io.BytesIO(saved), weights_only=True)  # plain containers: checkpoints are data, not programs
    fresh.model.load_state_dict(state["model"])
    restored.load_state_dict(state["method"])
    return fresh, restored


def check_result_is_pure(bench: Bench) -> None:
    """`result` keeps names, shapes and dtypes, gives the same twice, and changes neither its input nor the model."""
    task = bench.task()
    built = bench.build(task)
    if bench.method.trains:
        bench.take(built, 0, task.steps)
    weights, before = snapshot(task.model), snapshot(task.model)
    first, second = built.result(weights), built.result(weights)
    assert not (moved := difference(before, weights)), f"result changes its input: {moved}"
    assert not (moved := difference(before, snapshot(task.model))), f"result changes the model: {moved}"
    assert first.keys() == before.keys(), f"result has other names: {sorted(first.keys() ^ before.keys())}"
    assert not (moved := difference(first, second)), f"result gives two answers for {moved}"
    for name, tensor in first.items():
        expected = before[name]
        assert (tensor.shape, tensor.dtype) == (expected.shape, expected.dtype), f"result reshapes or casts {name}"


def check_needs_are_enough(bench: Bench) -> None:
    """The method works on a model of which it can reach the capabilities it needs, and the network itself, only."""
    task = bench.task()
    hidden = set().union(*(_members(name) for name in set(PROTOCOLS) - bench.method.needs))
    hidden -= set().union(*(_members(name) for name in bench.method.needs))
    task.bank = _wide_bank(task)  # type: ignore[method-assign,assignment]
    _narrow(task.model, hidden)  # copies of it are narrow too
    try:
        bench.take(bench.build(task), 0, task.steps)
    except _Undeclared as error:
        raise AssertionError(f"the method uses {error} of the model; it declares needs={sorted(bench.method.needs)}") from error


def _are_shares(*values: Tensor, n: int) -> bool:
    """Whether all are shares of n rows, as an accuracy is."""
    return all(0 <= float(one) <= 1 and abs(float(one) * n - round(float(one) * n)) < 1e-4 for one in values)


def check_parts_do_not_matter(bench: Bench) -> None:
    """A step in micro-batches, the last one smaller, is the step on the whole batch to rounding."""
    first, second = bench.task(), bench.task()
    if "Trains" in bench.method.needs and not isinstance(first.model, TrainsInParts):
        return  # boards skip this pair where they set micro_batch
    second.micro_batch = second.batch // 2 + 1
    built, parted = bench.build(first), bench.build(second)
    for index in range(first.steps):
        logs = bench.take(built, index, index + 1)[0], bench.take(parted, index, index + 1)[0]
        for (name, one), other in zip(logs[0].items(), logs[1].values(), strict=True):
            if index == 0 and _are_shares(one, other, n=first.batch):
                continue  # of rows by which of two values is larger: the network is its own copy still, and all tie to rounding
            # Far above float32's rounding: sums over dimensions are taken in another order, and gains of steps build up.
            near = torch.allclose(one, other, rtol=1e-2, atol=1e-3)
            assert near, f"in micro-batches {name} is {other.item()} at step {index}, not {one.item()}"
        gradients = [_gradients(task.model) for task in (first, second)]
        if len(gradients[0]) and len(gradients[1]):
            apart, size = (gradients[0] - gradients[1]).norm(), gradients[0].norm()
            assert apart <= 1e-2 * size, f"in micro-batches the gradient differs by {apart / size:.1e} of its length"
            return


def _gradients(model: nn.Module) -> Tensor:
    """All that the last update left, in one vector; empty where it left none."""
    found = [parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None]
    return torch.cat(found) if found else torch.empty(0)


class _Undeclared(Exception):
    """A capability's member was reached that the method does not need by its own account."""


def _members(capability: str) -> set[str]:
    return {name for name in vars(PROTOCOLS[capability]) if not name.startswith("_")}


def _narrow(model: nn.Module, hidden: set[str]) -> nn.Module:
    """Make access to these members from outside the model an error; inside, they may build on each other."""
    cls = type(model)

    def guarded(self: nn.Module, name: str) -> object:
        if name in hidden and not _called_from(self):
            raise _Undeclared(name)
        return cls.__getattribute__(self, name)

    model.__class__ = type(cls.__name__, (cls,), {"__getattribute__": guarded})
    return model


def _called_from(model: nn.Module) -> bool:
    """Whether the code that reads the attribute is a method of the model itself."""
    return sys._getframe(2).f_locals.get("self") is model


def _wide_bank(task: InMemoryTask) -> Callable[[nn.Module, int, str], Batch]:
    """The task's `bank`, for which nothing is hidden: the sampler has needs of its own."""

    def bank(model: nn.Module, n: int, name: str) -> Batch:
        narrow = model.__class__
        model.__class__ = narrow.__mro__[1]
        try:
            return InMemoryTask.bank(task, model, n, name)
        finally:
            model.__class__ = narrow

    return bank


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state dict."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit (NaN equals NaN)."""
    return [name for name, tensor in one.items() if not _equal(tensor, other[name])]


def leaves(state: object, name: str = "") -> dict[str, object]:
    """What stands in nested dicts and sequences, by path: "optimizer.torch.state.0.exp_avg"."""
    if isinstance(state, Mapping):
        items = [(str(key), value) for key, value in state.items()]
    elif isinstance(state, list | tuple):
        items = [(str(index), value) for index, value in enumerate(state)]
    else:
        return {name: state}
    found: dict[str, object] = {}
    for key, value in items:
        found |= leaves(value, f"{name}.{key}" if name else key)
    return found


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    return type(one) is type(other) and one == other


def _bytes(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
