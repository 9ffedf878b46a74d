"""The order of the data is a function of seed and step."""

import pytest
import torch

from harness.streams import stream
from harness.training.order import BatchOrder


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (12, 4), (3, 8), (5, 5), (7, 1)])
def test_every_example_comes_once_an_epoch(n, batch):
    order = BatchOrder(n, batch, seed=0)
    steps = 3 * n
    seen = torch.cat([order.indices(step) for step in range(steps)])
    assert len(seen) == steps * batch
    for epoch in seen[: len(seen) // n * n].split(n):
        assert sorted(epoch.tolist()) == list(range(n))


def test_a_step_does_not_depend_on_those_before():
    straight = BatchOrder(10, 4, seed=1)
    expected = [straight.indices(step) for step in range(20)]
    back = BatchOrder(10, 4, seed=1)
    for step in reversed(range(20)):
        assert torch.equal(back.indices(step), expected[step])
        assert torch.equal(BatchOrder(10, 4, seed=1).indices(step), expected[step])


def test_seeds_and_epochs_have_orders_of_their_own():
    first, other = BatchOrder(50, 50, seed=0), BatchOrder(50, 50, seed=1)
    assert not torch.equal(first.indices(0), other.indices(0))
    assert not torch.equal(first.indices(0), first.indices(1))


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (3, 8), (5, 5)])
def test_batches_are_consecutive_pieces_of_the_shuffled_epochs(n, batch):
    epochs = torch.cat([torch.randperm(n, generator=stream(7, "order", epoch)) for epoch in range(20)])
    order = BatchOrder(n, batch, seed=7)
    for step in range(20 * n // batch - 1):
        assert torch.equal(order.indices(step), epochs[step * batch : (step + 1) * batch])


def test_only_epochs_that_can_still_be_asked_for_are_held():
    order = BatchOrder(10, 4, seed=0)
    for step in range(200):
        order.indices(step)
    assert len(order._epochs) <= 2
