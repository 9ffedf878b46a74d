"""The noise-prediction network for points, layer by layer."""

import pytest
import torch
from torch.nn import functional

from harness_ddpm.network import ConditionalLinear, NoiseMLP, SmoothGains


def test_initial_gains_are_uniform_in_the_unit_interval_and_weights_torchs_own():
    torch.manual_seed(0)
    layer = ConditionalLinear(100, 400, 50)
    gains, weights, bound = layer.embed.weight, layer.lin.weight, 100**-0.5
    assert gains.min() >= 0
    assert gains.max() < 1
    assert gains.mean().item() == pytest.approx(0.5, abs=0.01)
    assert gains.std().item() == pytest.approx(12**-0.5, abs=0.01)
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)
    assert layer.lin.bias.abs().max() <= bound


def test_a_conditional_layer_scales_a_linear_one_by_the_steps_gains():
    layer, x, t = ConditionalLinear(3, 4, 5), torch.randn(6, 3), torch.tensor([0, 4, 1, 1, 2, 3])
    torch.testing.assert_close(layer(x, t), layer.embed.weight[t] * (x @ layer.lin.weight.T + layer.lin.bias))


def test_one_step_for_all_is_a_batch_of_equal_steps():
    layer, x = ConditionalLinear(3, 4, 5), torch.randn(6, 3)
    torch.testing.assert_close(layer(x, 2), layer(x, torch.full((6,), 2)))


def test_only_the_gains_of_the_steps_that_are_used_get_gradients():
    layer = ConditionalLinear(3, 4, 5)
    layer(torch.randn(2, 3), torch.tensor([1, 3])).sum().backward()
    assert (layer.embed.weight.grad.abs().sum(1) > 0).tolist() == [False, True, False, True, False]


def test_three_layers_have_softplus_and_gains_and_the_last_has_neither():
    network, x, t = NoiseMLP((2,), steps=4, width=8), torch.randn(5, 2), torch.tensor([0, 1, 2, 3, 0])
    hidden = x
    for layer in (network.lin1, network.lin2, network.lin3):
        hidden = functional.softplus(layer.embed.weight[t] * (hidden @ layer.lin.weight.T + layer.lin.bias))
    torch.testing.assert_close(network(x, t), hidden @ network.lin4.weight.T + network.lin4.bias)


@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)])
def test_data_of_any_shape_come_back_in_their_shape(shape):
    x = torch.randn(3, *shape)
    assert NoiseMLP(shape, steps=4, width=8)(x, 1).shape == x.shape


def test_smooth_gains_begin_as_the_same_for_all_steps_and_neighbours_learn_together():
    gains = SmoothGains(steps=1000, outputs=64)
    assert gains(3).equal(gains(997))
    assert 0 <= gains(0).min().item() < gains(0).max().item() < 1
    gains(torch.tensor([500])).sum().backward()
    with torch.no_grad():
        gains.weight.sub_(0.01 * gains.weight.grad)
        moved = (gains(torch.arange(1000)) - gains.weight[0]).mean(1).abs()
    assert int(moved.argmax()) == 500
    assert moved[490] > 0.9 * moved[500]  # ten steps away: nearly as much
    assert moved[100] < 0.2 * moved[500]


def test_smooth_gains_scale_a_layer_as_those_of_a_table_do():
    layer, x, t = ConditionalLinear(3, 4, 5, is_smooth=True), torch.randn(6, 3), torch.tensor([0, 4, 1, 1, 2, 3])
    torch.nn.init.normal_(layer.embed.weight)
    torch.testing.assert_close(layer(x, t), torch.stack([layer.embed(int(step)) for step in t]) * layer.lin(x))
    assert "embed.features" not in layer.state_dict()
