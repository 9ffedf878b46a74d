"""Floats in [-1, 1] become bytes: rounded to the nearest, halves up, clamped, and refused when they mean nothing."""

import pytest
import torch

from harness import Diverged
from harness.images.quantise import as_uint8, to_floats, to_uint8


def bytes_of(*values):
    return to_uint8(torch.tensor(values).reshape(1, 1, 1, -1)).flatten().tolist()


def test_bytes_come_back_from_the_models_range_exactly():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_uint8(every.float() / 127.5 - 1), every)


def test_values_outside_of_the_range_are_clamped():
    assert bytes_of(-3.0, -1.0, 1.0, 7.0) == [0, 0, 255, 255]


def test_values_between_two_bytes_go_to_the_nearest_and_halves_go_up():
    # 127.5 (x + 1) is 127.5 at 0, and 63.75 and 191.25 at -0.5 and 0.5.
    assert bytes_of(0.0, -0.5, 0.5) == [128, 64, 191]


def test_half_precision_is_rounded_like_single_precision():
    x = torch.linspace(-1, 1, 48).reshape(1, 3, 4, 4).half()
    assert torch.equal(to_uint8(x), to_uint8(x.float()))


def test_the_input_is_left_as_it_was():
    x = torch.full((1, 1, 2, 2), 0.25)
    to_uint8(x)
    assert torch.equal(x, torch.full((1, 1, 2, 2), 0.25))


def test_images_that_are_not_finite_are_counted():
    x = torch.zeros(4, 3, 2, 2)
    x[1, 0, 0, 0], x[1, 2, 1, 1], x[3, 2, 1, 1] = float("nan"), float("nan"), float("inf")
    with pytest.raises(Diverged, match="2 of 4 images have values that are not finite"):
        to_uint8(x)


@pytest.mark.parametrize("shape", [(4, 2), (3, 8, 8), (2, 4, 8, 8)])
def test_tensors_that_are_no_images_are_a_bug_of_the_caller(shape):
    with pytest.raises(ValueError, match=r"images are \(n, 1 or 3, height, width\), got"):
        to_uint8(torch.zeros(shape))


def test_bytes_and_floats_are_told_apart():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert as_uint8(every) is every
    assert torch.equal(as_uint8(to_floats(every)), every)
    assert to_floats(to_floats(every)).dtype == torch.float32
