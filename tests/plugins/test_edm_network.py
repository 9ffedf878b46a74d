"""The raw network for points: features of the noise level, and layers that are given them."""

import math

import pytest
import torch

from harness_edm.network import NoiseConditionedMLP, NoiseEmbedding


def test_frequencies_are_spaced_geometrically_between_the_two_ends():
    frequencies = NoiseEmbedding(8, low=0.5, high=16.0).frequencies
    torch.testing.assert_close(frequencies, torch.tensor([0.5, 0.5 * 32 ** (1 / 3), 0.5 * 32 ** (2 / 3), 16.0]))


def test_features_are_cosines_then_sines_of_any_shape_of_levels():
    embedding, levels = NoiseEmbedding(4, low=1.0, high=2.0), torch.tensor([[0.0, 0.3], [-1.0, 1.1]])
    expected = torch.stack([levels.cos(), (2 * levels).cos(), levels.sin(), (2 * levels).sin()], dim=-1)
    torch.testing.assert_close(embedding(levels), expected)
    assert embedding(torch.tensor(0.3)).shape == (4,)


def test_frequencies_are_no_weights():
    assert NoiseEmbedding(8).state_dict() == {}


def test_the_highest_frequency_tells_levels_apart_that_differ_by_a_third():
    embedding = NoiseEmbedding(32)
    sigma = torch.tensor([1.0, 1.3])
    first, second = embedding(sigma.log() / 4)
    assert (first - second).abs().max() > 0.5


def test_the_lowest_frequency_is_monotonic_over_all_levels():
    levels = torch.linspace(math.log(0.002) / 4, math.log(80) / 4, 200)
    sines = NoiseEmbedding(32)(levels)[:, 16]
    assert (sines.diff() > 0).all()


def test_each_hidden_layer_adds_its_own_projection_of_the_noise_level():
    network, x, c_noise = NoiseConditionedMLP((2,), width=5, depth=2), torch.randn(3, 2), torch.tensor([0.1, -0.5, 1.0])
    features = network.embedding(c_noise)
    hidden = x
    for layer, level in zip(network.layers, network.levels, strict=True):
        mixed = hidden @ layer.weight.T + layer.bias + features @ level.weight.T
        hidden = mixed * torch.sigmoid(mixed)
    expected = hidden @ network.out.weight.T + network.out.bias
    torch.testing.assert_close(network(x, c_noise), expected)


def test_one_level_for_all_gives_what_a_batch_of_equal_levels_gives():
    network, x = NoiseConditionedMLP((2,), width=5, depth=2), torch.randn(3, 2)
    torch.testing.assert_close(network(x, torch.tensor(0.3)), network(x, torch.full((3,), 0.3)))


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4), (3, 2)])
def test_data_of_any_shape_come_back_in_their_shape(shape):
    network, x = NoiseConditionedMLP(shape, width=8, depth=1), torch.randn(4, *shape)
    assert network(x, torch.tensor(0.0)).shape == x.shape


def test_depth_and_width_are_what_they_say():
    network = NoiseConditionedMLP((3,), width=7, depth=4)
    assert [layer.weight.shape for layer in network.layers] == [(7, 3), (7, 7), (7, 7), (7, 7)]
    assert network.out.weight.shape == (3, 7)
