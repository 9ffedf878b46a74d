"""The harness's own task: banks are drawn once and cost the same to all, and every evaluation is counted."""

import pytest
import torch
from torch import nn

from harness.errors import PluginFault
from harness.interfaces import DataSpec
from harness.sampling import drawing
from harness.streams import SampleStreams, stream


def test_a_bank_is_drawn_once_and_costs_the_same_to_whom_finds_it(make_task):
    first = make_task()
    bank = first.bank(first.model, 12, "own")
    sampler = first._banks.sampler
    assert sampler.calls == 3  # 12 samples, 5 at once
    assert torch.equal(first.bank(first.model, 12, "own").x, bank.x)
    assert sampler.calls == 3
    assert list(first.bank_costs.values()) == [12.0]
    assert first.take_seconds_of_reused_banks() == 0.0

    second = make_task(sampler=sampler)  # another process, later
    assert torch.equal(second.bank(second.model, 12, "own").x, bank.x)
    assert sampler.calls == 3
    assert second.bank_costs == first.bank_costs
    assert second.counter.examples == first.counter.examples == 0  # counted as banks
    assert second.take_seconds_of_reused_banks() > 0.0
    assert second.take_seconds_of_reused_banks() == 0.0


@pytest.mark.parametrize("change", ["name", "size", "weights", "seed"])
def test_a_bank_of_something_else_is_another_one(make_task, change):
    task = make_task()
    bank = task.bank(task.model, 6, "own").x
    other = make_task(seed=1 if change == "seed" else 0)
    if change == "weights":
        with torch.no_grad():
            next(other.model.parameters()).mul_(1.5)
    found = other.bank(other.model, 7 if change == "size" else 6, "other" if change == "name" else "own").x
    assert not torch.equal(found[:6], bank) or change == "size"
    assert other._banks.sampler.calls == 2


def test_samples_of_a_bank_do_not_depend_on_its_size(make_task):
    task = make_task()
    # Kernels round by batch: chunks of 5 and a rest.
    large, small = task.bank(task.model, 10, "own").x, task.bank(task.model, 7, "own").x
    torch.testing.assert_close(large[:7], small, rtol=1e-6, atol=1e-7)


def test_a_bank_that_is_written_by_batches_is_that_of_one_draw_bit_for_bit(make_task):
    task = make_task(spec=DataSpec((2,), classes=3))
    bank = task.bank(task.model, 13, "own")  # batches of 5, 5 and 3
    drawn = drawing.draw(
        task._banks.sampler, task.model, task.spec, n=13, seed=0, purpose="bank/own", batch=5, device=torch.device("cpu")
    ).batch
    assert torch.equal(bank.x, drawn.x)
    assert bank.labels.tolist() == drawn.labels.tolist()


def test_evaluations_of_references_count(make_task):
    task = make_task()
    reference = task.frozen_copy()
    assert not any(parameter.requires_grad for parameter in reference.parameters())
    with torch.no_grad():
        next(task.model.parameters()).zero_()
    assert next(reference.parameters()).any()  # a copy
    reference(torch.zeros(3, 2))
    task.model(torch.zeros(2, 2))
    task.frozen_copy().forward(torch.zeros(1, 2))  # not a call of the module: hooks do not see it
    assert task.counter.examples == 5


def test_pretraining_has_no_bank(make_task):
    task = make_task(banks=False)
    with pytest.raises(RuntimeError, match="no bank"):
        task.bank(task.model, 4, "own")


def test_pretraining_has_no_sampler(make_task):
    task = make_task(banks=False)
    with pytest.raises(RuntimeError, match="no sampler"):
        task.sample(task.model, 4, None, stream(0, "step"))


def test_new_samples_are_the_samplers_on_streams_of_the_generator_and_they_count(make_task):
    task = make_task()
    found = task.sample(task.model, 6, None, stream(0, "step"))
    seed = int(torch.randint(2**62, (), generator=stream(0, "step")))
    with torch.no_grad():
        expected = task.model(SampleStreams(seed, "sample", range(6)).normal(2))
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert task.counter.examples == 2 * 6
    assert not torch.equal(found, task.sample(task.model, 6, None, stream(0, "step", 1)))
    assert task.bank_costs == {}


def test_a_bank_of_data_with_classes_has_balanced_labels(make_task):
    class Labelled:
        def __call__(self, model, spec, streams, labels):
            return model(streams.normal(*spec.shape)) + labels[:, None]

    task = make_task(spec=DataSpec((2,), classes=3), sampler=Labelled())
    bank = task.bank(task.model, 7, "own")
    assert sorted(bank.labels.bincount().tolist()) == [2, 2, 3]
    assert bank.rows.tolist() == list(range(7))
    again = make_task(spec=DataSpec((2,), classes=3), sampler=Labelled())
    assert torch.equal(again.bank(again.model, 7, "own").labels, bank.labels)


def test_a_bank_is_drawn_in_float32_inside_of_a_step_that_autocasts(make_task):
    task = make_task()
    with torch.autocast("cpu", torch.bfloat16):
        inside = task.bank(task.model, 4, "own").x
    other = make_task(runs="other")
    assert torch.equal(inside, other.bank(other.model, 4, "own").x)


def test_new_samples_are_drawn_in_float32_inside_of_a_step_that_autocasts(make_task):
    task = make_task()
    with torch.autocast("cpu", torch.bfloat16):
        inside = task.sample(task.model, 4, None, stream(0, "samples"))
    assert inside.dtype == torch.float32
    assert torch.equal(inside, task.sample(task.model, 4, None, stream(0, "samples")))


class OnASphere(nn.Module):
    """Keeps its weight at length 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, 4.0]))

    def forward(self, x):
        return x * self.weight

    @torch.no_grad()
    def constrain(self):
        self.weight.div_(self.weight.norm())


def test_weights_are_where_the_model_keeps_them_before_a_reference_is_copied(make_task):
    task = make_task(model=OnASphere())
    assert task.frozen_copy().weight.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(("size", "expected"), [(None, [slice(0, 7)]), (4, [slice(0, 4), slice(4, 7)])])
def test_batches_are_cut_as_the_settings_say(make_task, size, expected):
    assert make_task(micro_batch=size).micro_batches(7) == expected


def test_a_task_says_how_long_training_is(make_task):
    task = make_task(steps=5, batch=3)
    assert (task.steps, task.batch) == (5, 3)


class TokenNetwork(nn.Linear):
    """Takes tokens, of which an image has two."""

    tokens_per_image = 2


class TokenDraws:
    """A sampler of a network call that gives tokens, and images of them."""

    def tokens(self, model, streams, labels):
        model(streams.normal(2))
        return (10 * streams.uniform(2)).long()

    def __call__(self, model, spec, streams, labels):
        return self.tokens(model, streams, labels).float()


def test_banks_and_samples_can_be_had_as_tokens(make_task):
    task = make_task(model=TokenNetwork(2, 2), sampler=TokenDraws())
    images, tokens = task.bank(task.model, 12, "own"), task.bank(task.model, 12, "own", as_tokens=True)
    assert torch.equal(tokens.x, images.x.long())  # the same streams
    assert tokens.x.dtype == torch.int64
    assert torch.equal(task.bank(task.model, 12, "own", as_tokens=True).x, tokens.x)
    assert list(task.bank_costs.values()) == [12.0, 12.0]
    drawn = [task.sample(task.model, 6, None, stream(0, "step"), as_tokens=as_tokens) for as_tokens in (False, True)]
    assert torch.equal(drawn[0].long(), drawn[1])


def test_tokens_of_a_sampler_or_a_model_without_any_are_a_fault_of_the_method(make_task):
    task = make_task()
    with pytest.raises(PluginFault, match=r"no tokens; ask `MethodUsage.lacks_tokens` first"):
        task.bank(task.model, 12, "own", as_tokens=True)
