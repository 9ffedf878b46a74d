"""Micro-batches: cutting, and that what an example draws does not depend on the cut."""

from typing import NamedTuple

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing.task import InMemoryTask
from harness.training import micro_batches
from harness.training.optimizer import Optimizer, OptimizerConfig


class Draw(NamedTuple):
    level: torch.Tensor
    noise: torch.Tensor


@pytest.mark.parametrize(("n", "size", "lengths"), [(8, None, [8]), (8, 8, [8]), (8, 3, [3, 3, 2]), (8, 4, [4, 4]), (2, 9, [2])])
def test_a_batch_is_cut_into_parts_of_the_size_and_a_rest(n, size, lengths):
    cut = micro_batches.slices(n, size)
    assert [len(range(n)[part]) for part in cut] == lengths
    assert [i for part in cut for i in range(n)[part]] == list(range(n))


def test_a_part_of_a_draw_has_the_rows_of_its_examples():
    draw = Draw(torch.arange(4), torch.arange(8).view(4, 2))
    part = micro_batches.rows_of(draw, slice(1, 3))
    assert isinstance(part, Draw)
    assert part.level.tolist() == [1, 2]
    assert part.noise.tolist() == [[2, 3], [4, 5]]
    assert micro_batches.rows_of(None, slice(1, 3)) is None
    chosen = micro_batches.rows_of(torch.arange(4), torch.tensor([3, 0]))
    torch.testing.assert_close(chosen, torch.tensor([3, 0]), rtol=0, atol=0)


def test_the_seed_of_a_whole_batch_cannot_be_cut():
    with pytest.raises(UserError, match="cannot be cut"):
        micro_batches.rows_of((torch.arange(4), 17), slice(0, 2))


def test_losses_in_parts_give_the_gradient_of_their_sum_and_one_update():
    x = torch.randn(6, generator=torch.Generator().manual_seed(0))
    found = []
    for size in (None, 4):
        weight = torch.nn.Parameter(torch.tensor(0.5))
        optimizer = Optimizer(OptimizerConfig(name="sgd", lr=0.1), [weight], updates=1)
        total = optimizer.update_in_parts(((weight * x[rows] - 1) ** 2).sum() / 6 for rows in micro_batches.slices(6, size))
        assert optimizer.count == 1
        found.append((total, weight.detach()))
    torch.testing.assert_close(found[0], found[1])


class Noised(torch.nn.Module):
    """A loss whose noise is drawn for the batch, and which counts the rows it was asked for."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.rows = []

    def training_draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def training_loss_at(self, x, labels, draw):
        self.rows.append(len(x))
        shift = 0 if labels is None else labels
        return (self.weight * x + draw - shift) ** 2

    def training_loss(self, x, labels, generator):
        return self.training_loss_at(x, labels, self.training_draw(x, generator))


def no_sampler(*_):
    raise NotImplementedError


@pytest.mark.parametrize(("size", "rows"), [(None, [7]), (7, [7]), (3, [3, 3, 1])])
def test_training_losses_add_up_to_the_mean_over_the_batch(size, rows):
    model = Noised()
    batch = Batch(torch.arange(7.0), torch.arange(7))
    expected = model.training_loss(batch.x, batch.labels, stream(0, "step")).mean()
    model.rows.clear()
    task = InMemoryTask(model, DataSpec(()), no_sampler, steps=1, batch=7, micro_batch=size)
    losses = list(micro_batches.training_losses(task, batch, stream(0, "step")))
    assert model.rows == rows
    torch.testing.assert_close(sum(losses), expected)


def test_a_term_is_computed_when_it_is_asked_for():
    task = InMemoryTask(Noised(), DataSpec(()), no_sampler, steps=1, batch=6, micro_batch=2)
    losses = micro_batches.training_losses(task, Batch(torch.arange(6.0)), stream(0, "step"))
    next(losses)
    assert task.model.rows == [2]
