"""Which rows of a bank stand beside real examples."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import Batch
from harness.streams import stream
from harness_ddo.fakes import rows_with_labels


def bank(labels):
    return Batch(torch.zeros(len(labels), 1), torch.tensor(labels), torch.arange(len(labels)))


def test_each_row_has_the_label_that_is_asked_for():
    held = bank([2, 0, 1, 1, 2, 0, 2])
    labels = torch.randint(3, (200,), generator=stream(0, "labels"))
    rows = rows_with_labels(held, labels, stream(0, "rows"))
    assert torch.equal(held.labels[rows], labels)


def test_rows_of_a_label_come_equally_often():
    held = bank([0, 1, 0, 0, 1, 0])
    rows = rows_with_labels(held, torch.zeros(8000, dtype=torch.int64), stream(0, "rows"))
    counts = torch.bincount(rows, minlength=6)
    assert counts[[1, 4]].sum() == 0
    # Four rows of 2,000 draws each: the standard deviation of a count is 39.
    assert (counts[[0, 2, 3, 5]] - 2000).abs().max() < 200


def test_the_rows_are_a_function_of_the_generator():
    held, labels = bank([0, 1] * 20), torch.arange(30) % 2
    first, again, other = (rows_with_labels(held, labels, stream(seed, "rows")) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("labels", [[0, 5], [2, 1]])
def test_a_label_that_the_bank_lacks_is_named_with_what_to_do(labels):
    with pytest.raises(UserError, match="ddo: a bank of 4 has no sample of some class; raise bank_size"):
        rows_with_labels(bank([0, 1, 1, 0]), torch.tensor(labels), stream(0, "rows"))


def test_a_bank_of_one_sample_a_class_gives_that_sample():
    rows = rows_with_labels(bank([3, 1, 0, 2]), torch.tensor([0, 1, 2, 3, 3]), stream(0, "rows"))
    assert rows.tolist() == [2, 1, 3, 0, 0]
