"""Resampling and attention of feature maps against plain loops."""

import pytest
import torch
from torch.nn import functional

from harness.streams import stream
from harness.toolkit.feature_maps import resample, self_attention, smoothing_kernel


def maps(*shape):
    return torch.randn(*shape, generator=stream(0, "maps"), dtype=torch.float64)


def test_a_kernel_is_the_normalised_outer_product_of_its_filter():
    assert smoothing_kernel([1, 1]).tolist() == [[[[0.25, 0.25], [0.25, 0.25]]]]
    kernel = smoothing_kernel([1, 3, 3, 1])
    assert kernel.shape == (1, 1, 4, 4)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel[0, 0, 1].tolist() == pytest.approx([3 / 64, 9 / 64, 9 / 64, 3 / 64])


def test_two_taps_average_and_repeat_pixels():
    x, kernel = maps(2, 3, 4, 6), smoothing_kernel([1, 1])
    torch.testing.assert_close(resample(x, kernel, "down"), functional.avg_pool2d(x, 2))
    torch.testing.assert_close(resample(x, kernel, "up"), functional.interpolate(x, scale_factor=2.0, mode="nearest"))


@pytest.mark.parametrize("taps", [[1, 1], [1, 3, 3, 1]])
def test_the_size_is_exactly_half_or_twice_and_flat_images_stay_flat_inside(taps):
    flat, kernel = torch.ones(1, 2, 8, 8), smoothing_kernel(taps)
    half, twice = resample(flat, kernel, "down"), resample(flat, kernel, "up")
    assert half.shape == (1, 2, 4, 4)
    assert twice.shape == (1, 2, 16, 16)
    torch.testing.assert_close(half[..., 1:-1, 1:-1], torch.ones(1, 2, 2, 2))
    torch.testing.assert_close(twice[..., 2:-2, 2:-2], torch.ones(1, 2, 12, 12))


def test_four_taps_smooth_before_they_drop_pixels():
    x, kernel = maps(1, 1, 6, 6), smoothing_kernel([1, 3, 3, 1])
    padded = functional.pad(x, (1, 1, 1, 1))[0, 0]
    expected = [
        [(padded[2 * i : 2 * i + 4, 2 * j : 2 * j + 4] * kernel[0, 0].double()).sum() for j in range(3)] for i in range(3)
    ]
    torch.testing.assert_close(resample(x, kernel, "down")[0, 0], torch.tensor(expected, dtype=torch.float64))
    assert resample(x, kernel, "down", padding=0).shape == (1, 1, 2, 2)


def test_channels_do_not_mix():
    x = maps(1, 2, 4, 4)
    alone = resample(x[:, :1], smoothing_kernel([1, 3, 3, 1]), "up")
    torch.testing.assert_close(resample(x, smoothing_kernel([1, 3, 3, 1]), "up")[:, :1], alone)


def attention_by_loops(projected, heads):
    """softmax(q^T k / sqrt(d)) v, pixel by pixel; channel index = head * 3 d + c * 3 + (0 for q, 1 for k, 2 for v)."""
    batch, channels, height, width = projected.shape
    flat, d = projected.flatten(2), channels // (3 * heads)
    out = torch.zeros(batch, heads * d, height * width, dtype=projected.dtype)
    for b in range(batch):
        for head in range(heads):
            query, key, value = (flat[b, head * 3 * d + part : (head + 1) * 3 * d : 3] for part in range(3))
            for pixel in range(height * width):
                share = ((query[:, pixel] @ key) / d**0.5).softmax(0)
                out[b, head * d : (head + 1) * d, pixel] = value @ share
    return out.view(batch, heads * d, height, width)


@pytest.mark.parametrize("heads", [1, 2])
def test_pixels_attend_to_one_another_in_the_published_layout(heads):
    projected = maps(2, 12, 2, 3)
    torch.testing.assert_close(self_attention(projected, heads), attention_by_loops(projected, heads))


def test_parts_may_be_prepared_before_the_products():
    projected, shapes = maps(2, 12, 2, 3), []

    def double(parts):
        shapes.append(parts.shape)
        return 2 * parts

    torch.testing.assert_close(self_attention(projected, 2, double), attention_by_loops(2 * projected, 2))
    assert shapes == [(2, 2, 2, 3, 6)]
