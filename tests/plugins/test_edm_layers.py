"""Layers of the EDM networks: initial weights, resampling convolutions, features of the noise level."""

import math

import pytest
import torch

from harness.toolkit.feature_maps import smoothing_kernel
from harness_edm.layers import (
    Conv,
    FourierEmbedding,
    PositionalEmbedding,
    glorot,
    linear,
    norm,
    reciprocal,
    standard_normal,
)


def test_glorot_counts_the_pixels_of_the_kernel_and_leaves_biases_at_zero():
    torch.manual_seed(0)
    weight, bias = torch.empty(64, 32, 3, 3), torch.ones(64)
    glorot(0.5)(weight, bias)
    bound = 0.5 * math.sqrt(6 / (32 * 9 + 64 * 9))
    assert bound * 0.98 < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert bias.abs().max() == 0


def test_reciprocal_fills_weights_and_biases_by_the_number_of_inputs():
    torch.manual_seed(0)
    weight, bias = torch.empty(64, 32, 3, 3), torch.empty(64)
    reciprocal()(weight, bias)
    bound = (32 * 9) ** -0.5
    assert bound * 0.98 < weight.abs().max() <= bound
    assert bound * 0.8 < bias.abs().max() <= bound
    reciprocal(0.0)(weight, bias)
    assert weight.abs().max() == bias.abs().max() == 0


def test_a_standard_normal_has_no_bias():
    torch.manual_seed(0)
    weight, bias = torch.empty(100, 200), torch.ones(100)
    standard_normal(weight, bias)
    assert weight.std().item() == pytest.approx(1, abs=0.02)
    assert bias.abs().max() == 0
    standard_normal(weight, None)


def two_and_one(weight, bias):
    weight.fill_(2.0)
    bias.fill_(1.0)


def test_a_linear_layer_is_filled_by_its_own_rule():
    layer = linear(3, 4, two_and_one)
    torch.testing.assert_close(layer(torch.ones(1, 3)), torch.full((1, 4), 7.0))
    assert linear(3, 4, glorot(), bias=False).bias is None


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 2), (64, 16), (128, 32), (192, 32), (256, 32)])
def test_normalisation_has_at_most_32_groups_of_at_least_4_channels(channels, groups):
    assert norm(channels, 1e-5).num_groups == groups
    assert norm(channels, 1e-5).eps == 1e-5


def test_a_plain_convolution_pads_with_zeros_and_adds_its_bias():
    conv, x = Conv(2, 3, 3, glorot()), torch.randn(1, 2, 5, 5)
    with torch.no_grad():
        conv.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    assert conv.weight is not None
    expected = torch.nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(conv(x), expected)
    assert set(conv.state_dict()) == {"weight", "bias"}


@pytest.mark.parametrize(("way", "side"), [("down", 4), ("up", 16)])
def test_resampling_comes_before_the_convolution(way, side):
    conv, x = Conv(2, 3, 3, glorot(), resample=way, taps=(1, 3, 3, 1)), torch.randn(1, 2, 8, 8)
    alone = Conv(2, 2, 0, glorot(), resample=way, taps=(1, 3, 3, 1))
    assert conv.weight is not None
    torch.testing.assert_close(conv(x), torch.nn.functional.conv2d(alone(x), conv.weight, padding=1))
    assert conv(x).shape == (1, 3, side, side)


def test_resampling_alone_has_no_weight_and_keeps_its_filter_in_the_file():
    conv = Conv(4, 4, 0, glorot(), resample="down", taps=(1, 1))
    assert set(conv.state_dict()) == {"resample_filter"}
    torch.testing.assert_close(conv.resample_filter, torch.full((1, 1, 2, 2), 0.25))
    torch.testing.assert_close(conv(torch.ones(1, 4, 6, 6)), torch.ones(1, 4, 3, 3))


def test_a_fused_convolution_halves_after_it_and_differs_at_the_borders_only():
    torch.manual_seed(0)
    taps = (1, 3, 3, 1)
    fused = Conv(2, 3, 3, glorot(), resample="down", taps=taps, is_fused=True)
    plain = Conv(2, 3, 3, glorot(), resample="down", taps=taps)
    plain.load_state_dict(fused.state_dict())
    x = torch.randn(1, 2, 16, 16)
    assert fused.weight is not None
    whole = torch.nn.functional.conv2d(x, fused.weight, padding=2)
    kernel = smoothing_kernel(taps).expand(3, 1, -1, -1)
    torch.testing.assert_close(fused(x), torch.nn.functional.conv2d(whole, kernel, stride=2, groups=3))
    # Of a constant image both orders make the same, except within two pixels of the border.
    flat = torch.ones(1, 2, 16, 16)
    torch.testing.assert_close(fused(flat)[:, :, 2:-2, 2:-2], plain(flat)[:, :, 2:-2, 2:-2])
    assert (fused(flat) - plain(flat)).abs().max() > 1e-3


def test_frequencies_run_from_one_to_the_ten_thousandth_or_stop_one_before():
    ends = PositionalEmbedding(8, reaches_end=True)(torch.tensor([1.0]))[0, 4:]
    stops = PositionalEmbedding(8, reaches_end=False)(torch.tensor([1.0]))[0, 4:]
    torch.testing.assert_close(ends, torch.sin(torch.tensor([1, 10 ** (-4 / 3), 10 ** (-8 / 3), 1e-4])))
    torch.testing.assert_close(stops, torch.sin(torch.tensor([1, 0.1, 0.01, 0.001])))


def test_both_embeddings_give_cosines_before_sines():
    numbers = torch.tensor([0.0, 0.4])
    for embedding in (PositionalEmbedding(6, reaches_end=True), FourierEmbedding(6)):
        cosines, sines = embedding(numbers).chunk(2, dim=1)
        torch.testing.assert_close(cosines[0], torch.ones(3))
        torch.testing.assert_close(sines[0], torch.zeros(3))
        torch.testing.assert_close(cosines**2 + sines**2, torch.ones(2, 3))


def test_fourier_frequencies_are_turns_of_standard_deviation_16_and_weights_of_the_file():
    torch.manual_seed(0)
    embedding = FourierEmbedding(4000)
    assert embedding.freqs.std().item() == pytest.approx(16, rel=0.05)
    assert set(embedding.state_dict()) == {"freqs"}
    embedding.freqs.fill_(0.25)  # a quarter of a turn
    torch.testing.assert_close(embedding(torch.tensor([1.0]))[0, [0, 2000]], torch.tensor([0.0, 1.0]), rtol=0, atol=1e-6)
