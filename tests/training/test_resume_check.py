"""A smoke run notices a method, a model or a sampler whose resume gives other numbers, and names what differs."""

import dataclasses
import itertools

import pytest
import torch

from harness.errors import Diverged, UserError
from harness.training import checkpoint
from harness.training.resume_check import run_checked
from harness.training.surroundings import Listener, Surroundings
from harness.training.training_log import TrainingLog, read_log

STEPS = 7


@pytest.fixture
def check(make_loop, tmp_path):
    """Train twice, with a change to each new loop; by default with none."""

    def run(change=lambda _: None, *, around=None, **options):
        def make(surroundings):
            loop = make_loop("unused", **options)
            loop.around, loop.name = surroundings, "method fit"
            change(loop)
            return loop

        return run_checked(make, around or Surroundings(tmp_path / "work"))

    return run


@pytest.mark.parametrize("options", [{}, {"select": "last", "ema": None, "points": 0}, {"steps": 1}])
def test_a_method_that_keeps_the_rules_passes_with_the_result_of_one_run(check, make_loop, options):
    undisturbed = make_loop("whole", runs="whole", **options).run()
    checked = check(**options)
    assert all(torch.equal(checked.weights[name], value) for name, value in undisturbed.weights.items())
    assert (checked.curve, checked.network_evaluations) == (undisturbed.curve, undisturbed.network_evaluations)


def counts(loop):
    """Give a loop's method a number of steps that is no part of its state."""
    loop.method.count = 0
    step = loop.method.step

    def counting(*arguments):
        loop.method.count += 1
        return step(*arguments)

    loop.method.step = counting


def scales_its_result(loop):
    counts(loop)
    loop.method.result = lambda weights: {name: value * (1 + loop.method.count) for name, value in weights.items()}


def scales_its_result_late(loop):
    counts(loop)
    loop.method.result = lambda weights: {name: value * max(loop.method.count, 4) for name, value in weights.items()}


def moves_weights_by_its_count(loop):
    counts(loop)

    def move(_):
        with torch.no_grad():
            next(loop.task.model.parameters()).add_(loop.method.count)

    loop.method.after = move


def keeps_no_optimizer(loop):
    del loop.method._kept["optimizer"]


def keeps_a_lost_count(loop):
    counts(loop)
    state_dict = loop.method.state_dict
    loop.method.state_dict = lambda: {**state_dict(), "count": loop.method.count}


def logs_a_lost_count(loop):
    counts(loop)
    step = loop.method.step
    loop.method.step = lambda *arguments: {**step(*arguments), "count": torch.tensor(loop.method.count)}


def logs_at_every_third_count(loop):
    counts(loop)
    step = loop.method.step
    loop.method.step = lambda *arguments: step(*arguments) if loop.method.count % 3 == 0 else step(*arguments) and {}


def counts_in_a_buffer(loop):
    loop.task.model.register_buffer("calls", torch.tensor(0), persistent=False)
    loop.method.after = lambda _: loop.task.model.calls.add_(1)


@pytest.mark.parametrize(("change", "message"), [
    (scales_its_result, r"its result, before it takes a step: 0\.weight, 0\.bias, 2\.weight and 1 more"),
    (scales_its_result_late, r"its result: 0\.weight, 0\.bias, 2\.weight and 1 more"),
    (moves_weights_by_its_count, r"its weights: 0\.weight"),
    (keeps_no_optimizer, r"its weights: 0\.weight"),
    (keeps_a_lost_count, "its state: count"),
    (logs_a_lost_count, "what it logs: count of step 7"),
    (counts_in_a_buffer, "buffers of the network that its state dict leaves out: calls"),
])  # fmt: skip
def test_what_a_resume_loses_is_named(check, change, message):
    start = "^method fit: training that went on from a checkpoint after step 3 of 7, in new objects, differs from undisturbed "
    with pytest.raises(UserError, match=f"{start}training in {message}") as caught:
        check(change, points=0, select="last", ema=None)
    assert "keep(…) or state_dict" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_resume_that_changes_the_steps_of_the_logs_is_named(check, tmp_path):
    around = Surroundings(tmp_path / "work", log_every=1)
    with pytest.raises(UserError, match=r"differs from undisturbed training in the steps at which it logs: 5, 7, 8\. A"):
        check(logs_at_every_third_count, around=around, steps=9, points=0, select="last", ema=None)


def keeps_code(loop):
    state_dict = loop.method.state_dict
    loop.method.state_dict = lambda: {**state_dict(), "code": loop.training}


def keeps_what_it_made_late(loop):
    counts(loop)
    state_dict = loop.method.state_dict
    loop.method.state_dict = lambda: {name: value for name, value in state_dict().items() if name != "optimizer"}


@pytest.mark.parametrize(("change", "message"), [
    (keeps_code, "method fit: a checkpoint cannot be read back: state_dict must hold tensors and plain values"),
    (keeps_what_it_made_late, "method fit: a new object cannot be restored from a checkpoint: KeyError: 'optimizer'"),
])  # fmt: skip
def test_a_state_that_cannot_be_restored_is_named(check, change, message):
    with pytest.raises(UserError, match=f"^{message}"):
        check(change, points=0, select="last")


def test_a_sampler_with_a_state_of_its_own_is_noticed(check):
    """The bank of the second half is drawn anew where its key differs: here the curve sees what the sampler remembers."""

    def remembers(loop):
        numbers = itertools.count()
        loop.curve.measure = lambda _: float(next(numbers))

    with pytest.raises(UserError, match=r"differs from undisturbed training in its curve: 2\.value, 3\.value"):
        check(remembers, select="last")


def test_listeners_hear_the_undisturbed_training_alone_and_its_log_is_kept(check, tmp_path):
    heard = []
    around = Surroundings(
        tmp_path / "work", listener=Listener(lambda step, *_: heard.append(step)), log_every=3,
        log=TrainingLog(tmp_path / "work" / "log.jsonl", "key"),
    )  # fmt: skip
    check(around=around, points=0, select="last")
    assert heard == [3, 6, 7]
    assert [line.step for line in read_log(around.log.path, "key")] == heard


def test_what_an_interrupted_smoke_run_left_is_not_gone_on_from(check, make_loop, tmp_path):
    loop = make_loop("work", seconds=-1.0, runs="other")
    loop.run()
    left = checkpoint.read_newest(tmp_path / "work")
    assert left is not None
    spoilt = {**left.tensors, **{name: value + 1 for name, value in left.tensors.items() if name.startswith("model/")}}
    checkpoint.write(tmp_path / "work", dataclasses.replace(left, step=6, tensors=spoilt))
    expected = make_loop("whole", runs="whole").run()
    assert all(torch.equal(check().weights[name], value) for name, value in expected.weights.items())


def test_a_training_that_diverges_ends_as_diverged(check):
    def spoil(loop):
        loop.method.step = lambda *_: {"loss": torch.tensor(float("nan"))}

    with pytest.raises(Diverged):
        check(spoil)
