import pytest
import torch


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
