import pytest
import torch

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
