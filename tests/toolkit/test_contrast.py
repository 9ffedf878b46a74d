"""Labels of batches, and means over the pairs that count."""

import pytest
import torch

from harness.interfaces import Batch
from harness.streams import stream
from harness.toolkit.contrast import labels_of, masked_mean


def test_labels_are_those_of_the_batch():
    labels = torch.tensor([3, 1])
    assert labels_of(Batch(torch.zeros(2, 1), labels)) is labels


def test_a_batch_without_labels_is_a_fault_of_the_caller():
    with pytest.raises(AssertionError, match="the method's check lets no data without labels through"):
        labels_of(Batch(torch.zeros(2, 1)))


def test_the_mean_is_over_the_values_under_the_mask():
    values, mask = torch.randn(50, generator=stream(0, "values")), torch.rand(50, generator=stream(0, "mask")) < 0.3
    torch.testing.assert_close(masked_mean(values, mask), values[mask].mean())


def test_a_value_outside_the_mask_does_not_matter_even_where_it_is_not_finite():
    values = torch.tensor([1.0, torch.nan, 3.0, torch.inf])
    assert masked_mean(values, torch.tensor([True, False, True, False])) == 2


def test_the_mean_over_nothing_is_0_and_no_nan():
    assert masked_mean(torch.tensor([5.0, 7.0]), torch.tensor([False, False])) == 0
