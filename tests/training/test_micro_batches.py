"""Micro-batches: cutting, and that what an example draws does not depend on the cut. Gradients: every method's conformance."""

from typing import NamedTuple

import pytest
import torch

from harness.errors import UserError
from harness.training import micro_batches
from harness.training.config import TrainingConfig
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
    assert micro_batches.rows_of(torch.arange(4), torch.tensor([3, 0])).tolist() == [3, 0]


def test_the_seed_of_a_whole_batch_cannot_be_cut():
    with pytest.raises(UserError, match="cannot be cut"):
        micro_batches.rows_of((torch.arange(4), 17), slice(0, 2))


def test_losses_in_parts_give_the_gradient_of_their_sum_and_one_update():
    x = torch.randn(6, generator=torch.Generator().manual_seed(0))
    found = []
    for size in (None, 4):
        weight = torch.nn.Parameter(torch.tensor(0.5))
        optimizer = Optimizer(OptimizerConfig(name="sgd", lr=0.1), [weight], updates=1)
        cut = micro_batches.slices(6, size)
        total = optimizer.update_in_parts(((weight * x[part] - 1) ** 2).sum() / 6 for part in cut)
        assert optimizer.count == 1
        found.append((total, weight.detach()))
    torch.testing.assert_close(found[0], found[1])


def test_keys_of_results_do_not_know_settings_that_are_not_used():
    """Records from before these settings were there stay fresh."""
    old = {"images": 8, "batch": 4, "ema": None, "select": "last"}
    assert TrainingConfig(images=8, batch=4).identity == old
    used = {"micro_batch": 2, "precision": "bf16", "channels_last": True, "compile": True}
    assert TrainingConfig(images=8, batch=4, **used).identity == {**old, **used}


def test_a_part_is_no_larger_than_the_batch():
    with pytest.raises(ValueError, match="above batch"):
        TrainingConfig(images=8, batch=4, micro_batch=8)
