"""The task in memory does what the harness's own task does, as far as a method can see."""

import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.task import InMemoryTask

SPEC = DataSpec((2,), classes=3)


class Sampler:
    """Noise through the network; counts its calls."""

    calls = 0

    def __call__(self, model, spec, streams, labels):
        self.calls += 1
        return model(streams.normal(*spec.shape))


def task(**options):
    return InMemoryTask(nn.Linear(2, 2), SPEC, Sampler(), steps=4, batch=8, **options)


def test_a_bank_is_drawn_once_for_the_same_weights_size_and_name():
    made = task()
    bank = made.bank(made.model, 7, "own")
    assert made.bank(made.model, 7, "own") is bank
    assert made.sampler.calls == 1
    assert bank.labels.bincount().tolist() == [3, 2, 2]
    assert bank.rows.tolist() == list(range(7))
    assert not bank.x.requires_grad


def test_other_weights_sizes_names_and_seeds_give_other_banks():
    made = task()
    bank = made.bank(made.model, 7, "own").x
    assert not torch.equal(made.bank(made.model, 7, "other").x, bank)
    assert len(made.bank(made.model, 5, "own").x) == 5
    with torch.no_grad():
        made.model.weight.mul_(2)
    assert not torch.equal(made.bank(made.model, 7, "own").x, bank)
    assert made.sampler.calls == 4
    other = task(seed=1)
    other.model.load_state_dict(made.model.state_dict())
    assert not torch.equal(other.bank(other.model, 7, "own").x, made.bank(made.model, 7, "own").x)


def test_new_samples_come_from_the_generator_alone():
    made = task()
    first, again, other = (made.sample(made.model, 5, None, stream(0, "step", step)) for step in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first.requires_grad
    assert made.banks == {}


def test_a_frozen_copy_stays_as_it_was():
    made = task()
    reference = made.frozen_copy()
    before = reference.weight.clone()
    with torch.no_grad():
        made.model.weight.zero_()
    assert torch.equal(reference.weight, before)
    assert not reference.weight.requires_grad
    assert not reference.training
    assert made.model.weight.requires_grad


def test_the_model_is_in_eval_mode_and_batches_are_cut_as_asked():
    assert not task().model.training
    assert task().micro_batches(8) == [slice(0, 8)]
    assert task(micro_batch=3).micro_batches(8) == [slice(0, 3), slice(3, 6), slice(6, 8)]
