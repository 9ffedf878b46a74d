"""Samples as real images are stored."""

import pytest
import torch

from harness.errors import Diverged
from harness.images.quantise import to_floats, to_uint8
from harness.indexed import bytes_to_floats
from harness.interfaces import Batch
from harness.streams import stream
from harness.toolkit.grey_levels import on_grey_levels


def test_images_are_clipped_and_rounded_to_the_nearest_level():
    x = torch.tensor([[-1.3, -1.0, -0.76, -0.74, 0.24, 0.26, 1.0, 1.002]])
    assert on_grey_levels(Batch(x), 5).x.tolist() == [[-1, -1, -1, -0.5, 0, 0.5, 1, 1]]  # levels lie 0.5 apart


def test_256_levels_are_those_of_an_image_file():
    x = 1.5 * torch.randn(64, 3, 4, 4, generator=stream(0, "x"))
    assert torch.equal(on_grey_levels(Batch(x)).x, to_floats(to_uint8(x)))


@pytest.mark.parametrize("white", [16, 255])
def test_stored_images_stay_bit_for_bit_with_all_that_is_beside_them(white):
    x = bytes_to_floats(torch.arange(white + 1, dtype=torch.uint8).view(-1, 1), white)
    batch = Batch(x, torch.arange(len(x)), torch.arange(len(x)))
    rounded = on_grey_levels(batch, white + 1)
    assert torch.equal(rounded.x, x)
    assert rounded.labels is batch.labels
    assert rounded.rows is batch.rows


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_an_image_that_is_not_finite_is_a_divergence(value):
    with pytest.raises(Diverged, match="1 of 2 samples have values that are not finite"):
        on_grey_levels(Batch(torch.tensor([[0.0], [value]])))
