"""Conformance of methods: what the harness relies on when it trains, stops, resumes and evaluates.

A plugin's own test is three lines: make a `Bench` that builds its task and its method afresh, and call `check_method`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from harness.capabilities import TrainsInParts
from harness.components import Method
from harness.config import Config
from harness.interfaces import Batch
from harness.streams import stream
from harness.testing.augmentation import check_augmentation_is_told
from harness.testing.checks import Checks, run_all
from harness.testing.configs import check_capabilities_exist, component_checks
from harness.testing.devices import are_shares, check_devices_do_not_matter, gradients_of
from harness.testing.expect import expect, expect_offers
from harness.testing.global_state import check_global_state_is_left_alone
from harness.testing.narrow import Undeclared, narrowed
from harness.testing.rounds import begin_round_where_due
from harness.testing.task import InMemoryTask
from harness.training.method import FinetuneMethod
from harness.training.rounds import RoundsConfig, rounds_of
from harness.training.state_differences import difference, state_difference
from harness.weights.state_dicts import snapshot

ADVICE = "put all state in keep or state_dict"
"""The advice where a resumed run differs from an undisturbed one."""


@dataclass(frozen=True)
class Run:
    """A method that has taken all steps of its task: the weights before and after them, and what each step logged."""

    method: FinetuneMethod
    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    logs: Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class Bench:
    """A method on a tiny task, made afresh as often as a check needs it.

    Args:
        method: the component under test.
        config: its settings; small ones, as in `Component.smoke`.
        task: makes a task. Each call must give a task with the same weights, which shares nothing with earlier ones.
        real: training examples. Step i gets rows that are drawn from the stream (7, "data", i).
    """

    method: Method
    config: Config
    task: Callable[[], InMemoryTask]
    real: Batch

    def build(self, task: InMemoryTask) -> FinetuneMethod:
        """Build the method on this task."""
        return expect_offers(self.method.create(self.config, task), FinetuneMethod, f"what {self.method.build} gave")

    def take(self, method: FinetuneMethod, first: int, stop: int) -> list[Mapping[str, Tensor]]:
        """Take the steps first … stop - 1, with the data and the streams that belong to them. Returns: what each step logged."""
        logged = []
        for index in range(first, stop):
            begin_round_where_due(method, index)
            logged.append(method.step(self.batch(method, index), stream(7, "method", index), index))
        return logged

    def run(self) -> Run:
        """Take all steps with a method made afresh."""
        task = self.task()
        before, method = snapshot(task.model), self.build(task)
        logs = self.take(method, 0, task.steps)
        return Run(method, before, snapshot(task.model), logs)

    @cached_property
    def undisturbed(self) -> Run:
        """A run that several checks look at, or compare theirs with. They leave it as it is."""
        return self.run()

    def whole_work(self) -> Callable[[], object]:
        """Return a function that does everything with the method once: makes it, takes all steps, asks for result and state."""
        task = self.task()

        def work() -> None:
            method = self.build(task)
            if self.method.trains:
                self.take(method, 0, task.steps)
            method.result(snapshot(task.model))
            method.state_dict()

        return work

    def batch(self, method: FinetuneMethod, index: int) -> Batch:
        """Return the real examples of a step."""
        chosen = torch.randint(len(self.real), (method.task.batch,), generator=stream(7, "data", index))
        real = replace(self.real, rows=torch.arange(len(self.real)))
        return real[chosen].to(method.task.device)


def check_method(bench: Bench, *, stops: Sequence[int] | None = None) -> None:
    """Run all checks of this module, and those of any component.

    Args:
        stops: numbers of steps after which `check_resume_is_exact` stops; by default every number.
    """
    run_all(component_checks(bench.method))
    run_all(method_checks(bench, stops=stops))


def method_checks(bench: Bench, *, stops: Sequence[int] | None = None) -> Checks:
    """Yield the checks of this module. The arguments are those of `check_method`."""
    yield partial(check_global_state_is_left_alone, bench.method.title, bench.whole_work())
    yield partial(check_needs_are_known, bench)
    yield partial(check_result_is_pure, bench)
    if bench.method.trains:
        yield partial(check_steps_log_finite_scalars, bench)
        yield partial(check_runs_repeat, bench)
        yield partial(check_global_randomness_is_left_alone, bench)
        yield partial(check_resume_is_exact, bench, stops)
        yield partial(check_needs_are_enough, bench)
        yield partial(check_rounds_forget, bench)
        yield partial(check_devices_do_not_matter, bench)
        if bench.method.accumulates:
            yield partial(check_micro_batches_do_not_matter, bench)
        if bench.method.augments:
            yield partial(check_augmentation_is_told, bench)
        if bench.method.merges:
            yield partial(check_result_needs_the_base_alone, bench)


def check_needs_are_known(bench: Bench) -> None:
    """Check that `needs` names capabilities that exist."""
    check_capabilities_exist(bench.method, bench.method.needs, "needs")


def check_steps_log_finite_scalars(bench: Bench) -> None:
    """Check that each step logs 0-dim, detached, finite tensors, and that training changes the weights."""
    run = bench.undisturbed
    for index, logged in enumerate(run.logs):
        given: object = logged
        expect(isinstance(given, Mapping), f"step {index} gave {_kind(given)}; it must give scalars by name, or {{}}")
        for name, value in logged.items():
            expect(isinstance(value, Tensor), f"step {index}: {name} is a {type(value).__name__}, not a tensor")
            expect(value.dim() == 0, f"step {index}: {name} has shape {tuple(value.shape)}; log scalars, such as a mean")
            expect(not value.requires_grad, f"step {index}: {name} is not detached, so its graph stays in memory")
            expect(torch.isfinite(value), f"step {index}: {name} is {value.item()}")
    expect(difference(run.before, run.after), f"{len(run.logs)} steps left every weight as it was")


def check_runs_repeat(bench: Bench) -> None:
    """Check that the same data and generators give the same weights and logs, bit for bit."""
    first, second = bench.undisturbed, bench.run()
    moved = difference(first.after, second.after)
    expect(not moved, f"two equal runs differ in {moved}; take all randomness from the step's generator")
    for index, (logged, again) in enumerate(zip(first.logs, second.logs, strict=True)):
        values, values_again = ({name: value.item() for name, value in step.items()} for step in (logged, again))
        expect(values == values_again, f"two equal runs log other values at step {index}")


def check_global_randomness_is_left_alone(bench: Bench) -> None:
    """Check that neither making the method nor a step draws from torch's global generator, and that its seed does not matter."""
    task, undisturbed = bench.task(), bench.undisturbed
    with torch.random.fork_rng():
        torch.manual_seed((torch.initial_seed() + 1) % 2**62)
        before = torch.get_rng_state()
        method = bench.build(task)
        expect(torch.equal(before, torch.get_rng_state()), "making the method draws from the global generator")
        bench.take(method, 0, task.steps)
        expect(torch.equal(before, torch.get_rng_state()), "a step draws from the global generator")
    moved = difference(undisturbed.after, snapshot(task.model))
    expect(not moved, f"the global seed changes {moved}")


def check_resume_is_exact(bench: Bench, stops: Sequence[int] | None = None) -> None:
    """Check that a run which was stopped and restored into new objects goes on like one that was not, bit for bit.

    Compared are `result` directly after restoring, the logs of all next steps, and at the end the weights, the model's buffers,
    the state of the method, and `result`. Let the bench's task take so many steps that rounds and schedules change within them.

    Args:
        stops: numbers of steps after which to stop, one run for each; by default every number.
    """
    whole = bench.task()
    method = bench.build(whole)
    saved, results, logs = [_saved(method)], [_result(method)], list[Mapping[str, Tensor]]()
    for index in range(whole.steps):
        logs += bench.take(method, index, index + 1)
        saved.append(_saved(method))
        results.append(_result(method))
    for stop in range(whole.steps + 1) if stops is None else stops:
        task, restored = _restored(bench, saved[stop])
        where = f"stopped after step {stop}, a resumed run"
        moved = difference(results[stop], _result(restored))
        expect(not moved, f"{where} has another result, before it takes a step, in {moved}; {ADVICE}")
        logs_again = bench.take(restored, stop, task.steps)
        _expect_same_end(method, restored, where)
        for index, (logged, again) in enumerate(zip(logs[stop:], logs_again, strict=True), start=stop):
            moved = difference(logged, again)
            expect(not moved, f"{where} logs other values at step {index}: {moved}; {ADVICE}")


def check_rounds_forget(bench: Bench) -> None:
    """Check that a round keeps nothing of the rounds before it, and that a run which stops around its start resumes exactly.

    A second round that follows a first one must take the steps that it takes in a new method, whose network has the round's start
    weights. Methods without rounds have nothing to check.
    """
    if not isinstance(bench.config, RoundsConfig):
        return
    bench = replace(bench, config=bench.config.model_copy(update={"rounds": 2, "reference": "last"}))
    task = bench.task()
    if len(parts := rounds_of(bench.config).schedule(task.steps).all) < 2:
        return
    (_, second), method = parts, bench.build(task)
    bench.take(method, 0, second.first_step)
    start = snapshot(task.model)
    fresh_task = bench.task()
    fresh_task.model.load_state_dict(start)
    fresh = bench.build(fresh_task)
    logs = [bench.take(method, second.first_step, task.steps), bench.take(fresh, second.first_step, task.steps)]
    _expect_same_end(method, fresh, "a round that follows another, and the same round in a new method,")
    for index, (logged, again) in enumerate(zip(*logs, strict=True), start=second.first_step):
        expect(
            not (moved := difference(logged, again)), f"begin_round leaves something of the round before: {moved} at step {index}"
        )
    check_resume_is_exact(
        bench, [second.first_step + offset for offset in (-1, 0, 1) if second.first_step + offset <= task.steps]
    )


def _expect_same_end(method: FinetuneMethod, restored: FinetuneMethod, where: str) -> None:
    model, other = method.task.model, restored.task.model
    moved = difference(snapshot(model), snapshot(other))
    expect(not moved, f"{where} differs in {moved}; {ADVICE}")
    moved = difference(dict(model.named_buffers()), dict(other.named_buffers()))
    expect(not moved, f"{where} differs in the model's buffers {moved}, which its state dict does not hold")
    moved = state_difference(method.state_dict(), restored.state_dict())
    expect(not moved, f"{where} ends with another state of the method: {moved}")
    moved = difference(_result(method), _result(restored))
    expect(not moved, f"{where} ends with another result in {moved}; {ADVICE}")


def _result(method: FinetuneMethod) -> dict[str, Tensor]:
    """Return a copy of what the method makes of the weights as they are now."""
    return {name: tensor.clone() for name, tensor in method.result(snapshot(method.task.model)).items()}


def _saved(method: FinetuneMethod) -> bytes:
    """Return the state of a model and its method that the harness saves."""
    buffer = io.BytesIO()
    torch.save({"model": method.task.model.state_dict(), "method": method.state_dict()}, buffer)
    return buffer.getvalue()


def _restored(bench: Bench, saved: bytes) -> tuple[InMemoryTask, FinetuneMethod]:
    """Restore as the harness does: make the new method on the base's weights, then restore model and method."""
    fresh = bench.task()
    restored = bench.build(fresh)
    state = torch.load(io.BytesIO(saved), weights_only=True)  # plain containers: checkpoints are data, not programs
    fresh.model.load_state_dict(state["model"])
    restored.load_state_dict(state["method"])
    return fresh, restored


def check_result_is_pure(bench: Bench) -> None:
    """Check that `result` keeps names, shapes and dtypes, repeats, and changes neither its input nor the model."""
    method = bench.undisturbed.method if bench.method.trains else bench.build(bench.task())
    model = method.task.model
    weights, before = snapshot(model), snapshot(model)
    first, second = method.result(weights), method.result(weights)
    given: object = first
    expect(isinstance(given, Mapping), f"result gave {_kind(given)}; it must give the weights by name")
    expect(not (moved := difference(before, weights)), f"result changes its input: {moved}; change a copy")
    expect(not (moved := difference(before, snapshot(model))), f"result changes the model: {moved}")
    expect(first.keys() == before.keys(), f"result has other names: {sorted(first.keys() ^ before.keys())}")
    expect(not (moved := difference(first, second)), f"result gives two answers for {moved}")
    for name, tensor in first.items():
        expected = before[name]
        expect((tensor.shape, tensor.dtype) == (expected.shape, expected.dtype), f"result reshapes or casts {name}")


def check_result_needs_the_base_alone(bench: Bench) -> None:
    """Check that `result` of a new method, made on the base, is that of the method that took the steps.

    Cells that share a training ask a new method each (`Method.merges`).
    """
    run = bench.undisturbed
    moved = difference(run.method.result(run.after), bench.build(bench.task()).result(run.after))
    expect(not moved, f"result of a new method, made on the base, differs in {moved}; `merges` needs a result without a history")


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def check_needs_are_enough(bench: Bench) -> None:
    """Check that the method works on a model of which it can reach only the network and the capabilities in `needs`."""
    task = narrowed(bench.task(), bench.method.needs)
    try:
        bench.take(bench.build(task), 0, task.steps)
    except Undeclared as error:
        declared = ", ".join(sorted(bench.method.needs)) or "nothing"
        raise AssertionError(f"the method uses {error} of the model, but its needs declare {declared}") from error


def check_micro_batches_do_not_matter(bench: Bench) -> None:
    """Check that a step in micro-batches, the last one smaller, is the step on the whole batch, up to rounding."""
    whole, cut = bench.task(), bench.task()
    if "Trains" in bench.method.needs and not isinstance(whole.model, TrainsInParts):
        return  # boards skip this pair where they set micro_batch
    cut.micro_batch = cut.batch // 2 + 1
    on_whole, on_cut = bench.build(whole), bench.build(cut)
    for index in range(whole.steps):
        logs = bench.take(on_whole, index, index + 1)[0], bench.take(on_cut, index, index + 1)[0]
        for (name, value), other in zip(logs[0].items(), logs[1].values(), strict=True):
            if index == 0 and are_shares(value, other, n=whole.batch):
                continue  # a share of rows in which one value is larger: model and reference are equal still, and all rows tie
            # Far above float32's rounding: sums over dimensions are taken in another order, and steps amplify the difference.
            is_near = torch.allclose(value, other, rtol=1e-2, atol=1e-3)
            expect(is_near, f"in micro-batches {name} is {other.item()} at step {index}, not {value.item()}")
        gradients = [gradients_of(task.model) for task in (whole, cut)]
        if len(gradients[0]) and len(gradients[1]):
            apart, length = (gradients[0] - gradients[1]).norm(), gradients[0].norm()
            expect(apart <= 1e-2 * length, f"in micro-batches the gradient differs by {apart / length:.1e} of its length")
            return
