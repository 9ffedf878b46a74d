"""Resampling and self-attention of feature maps, against what they are by definition."""

import math

import pytest
import torch

from harness.toolkit.feature_maps import resample, self_attention, smoothing_kernel


def test_the_smoothing_kernel_is_the_outer_product_with_unit_sum():
    kernel = smoothing_kernel([1, 3, 3, 1])
    assert kernel.shape == (1, 1, 4, 4)
    assert kernel.sum().item() == pytest.approx(1)
    assert kernel[0, 0, 1, 2].item() == pytest.approx(9 / 64)
    assert kernel[0, 0, 0, 3].item() == pytest.approx(1 / 64)


def test_two_equal_taps_average_when_halving_and_repeat_when_doubling():
    x, kernel = torch.arange(16.0).view(1, 1, 4, 4), smoothing_kernel([1, 1])
    torch.testing.assert_close(resample(x, kernel, "down"), torch.tensor([[2.5, 4.5], [10.5, 12.5]])[None, None])
    torch.testing.assert_close(resample(x, kernel, "up"), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("taps", [(1, 1), (1, 3, 3, 1)])
def test_a_constant_image_stays_constant_inside(taps):
    x, kernel = torch.full((2, 3, 8, 8), 0.7), smoothing_kernel(taps)
    for way in ("down", "up"):
        inside = resample(x, kernel, way)[:, :, 1:-1, 1:-1]
        torch.testing.assert_close(inside, torch.full_like(inside, 0.7))


@pytest.mark.parametrize("taps", [(1, 1), (1, 3, 3, 1)])
def test_sizes_are_halved_and_doubled_exactly(taps):
    x, kernel = torch.randn(1, 2, 10, 6), smoothing_kernel(taps)
    assert resample(x, kernel, "down").shape == (1, 2, 5, 3)
    assert resample(x, kernel, "up").shape == (1, 2, 20, 12)


def test_doubling_is_the_transpose_of_halving_times_four():
    # <down(x), y> = <x, down^T(y)>, and up = 4 down^T.
    x, y, kernel = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 4, 4), smoothing_kernel([1, 3, 3, 1])
    inner = (resample(x, kernel, "down") * y).sum()
    torch.testing.assert_close((x * resample(y, kernel, "up")).sum(), 4 * inner, rtol=1e-4, atol=1e-4)


def test_channels_are_resampled_each_by_itself():
    x, kernel = torch.randn(1, 3, 4, 4), smoothing_kernel([1, 3, 3, 1])
    together = resample(x, kernel, "down")
    torch.testing.assert_close(together[:, 1:2], resample(x[:, 1:2], kernel, "down"))


def test_without_padding_the_image_gets_smaller_by_the_kernel():
    assert resample(torch.randn(1, 1, 10, 10), smoothing_kernel([1, 3, 3, 1]), "down", padding=0).shape == (1, 1, 4, 4)


def test_precision_follows_the_image():
    assert resample(torch.randn(1, 1, 4, 4).double(), smoothing_kernel([1, 1]), "up").dtype == torch.float64


def by_hand(projected, heads):
    """softmax(q k / sqrt(d)) v pixel by pixel, from channels ordered (head, channel of the head, one of q, k and v)."""
    batch, channels, height, width = projected.shape
    size = channels // 3 // heads
    out = torch.zeros(batch, channels // 3, height * width)
    flat = projected.flatten(2)
    for head in range(heads):
        q, k, v = (flat[:, [head * 3 * size + 3 * channel + part for channel in range(size)]] for part in range(3))
        logits = torch.einsum("bci,bcj->bij", q, k) / math.sqrt(size)
        out[:, head * size : (head + 1) * size] = torch.einsum("bij,bcj->bci", logits.softmax(2), v)
    return out.view(batch, channels // 3, height, width)


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_is_softmax_of_scaled_products_in_each_head(heads):
    projected = torch.randn(2, 24, 3, 2)
    torch.testing.assert_close(self_attention(projected, heads), by_hand(projected, heads), rtol=1e-4, atol=1e-5)


def test_what_prepares_queries_keys_and_values_sees_them_by_axis():
    projected, shapes = torch.randn(2, 24, 3, 2), []

    def halved(parts):
        shapes.append(tuple(parts.shape))
        return parts / 2

    prepared = self_attention(projected, 2, prepare=halved)
    assert shapes == [(2, 2, 4, 3, 6)]
    torch.testing.assert_close(prepared, by_hand(projected / 2, 2), rtol=1e-4, atol=1e-5)


def test_equal_pixels_attend_to_their_mean():
    projected = torch.randn(1, 6, 1, 1).expand(1, 6, 4, 4).clone()
    value = projected[:, 2::3]  # queries, keys and values alternate, with one head
    torch.testing.assert_close(self_attention(projected, 1), value)
