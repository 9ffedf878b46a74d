"""Magnitude-preserving operations: unit variance in, unit variance out, and gradients that turn weights without growing them."""

import math

import pytest
import torch
from scipy.integrate import quad

from harness.streams import stream
from harness_edm2 import layers


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=stream(seed, "layers"))


def test_normalise_divides_by_the_root_mean_square():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(layers.normalise(x), x / (math.sqrt(12.5) + 1e-4))


def test_normalise_may_run_over_any_dimensions():
    x = normal(2, 3, 4)
    for dims in ([0], [1], [1, 2], [0, 1, 2]):
        rms = x.square().mean(dims, keepdim=True).sqrt()
        torch.testing.assert_close(layers.normalise(x, dims), x / (1e-4 + rms))


def test_normalise_keeps_the_precision_of_its_input_and_takes_the_norm_in_float32():
    x = 300 * torch.ones(1, 1000, dtype=torch.float16)  # whose sum of squares no half-precision number can hold
    out = layers.normalise(x)
    assert out.dtype == torch.float16
    torch.testing.assert_close(out, torch.ones_like(out))


def test_the_magnitude_of_silu_is_that_of_a_standard_normal():
    def integrand(x):
        silu = x / (1 + math.exp(-x))
        return silu**2 * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    assert math.sqrt(quad(integrand, -12, 12)[0]) == pytest.approx(layers.SILU_RMS, abs=5e-4)
    assert layers.silu(normal(100_000)).square().mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.5, 1.0])
def test_sums_and_concatenations_keep_unit_variance(weight):
    a, b = normal(64, 10, 16, 16), normal(64, 30, 16, 16, seed=1)
    joined = layers.concatenate(a, b, weight)
    # Standard errors are below 0.003.
    assert joined.square().mean().item() == pytest.approx(1, abs=0.02)
    assert layers.weighted_sum(a, b[:, :10], weight).square().mean().item() == pytest.approx(1, abs=0.02)


def test_a_weighted_sum_is_a_line_between_the_two():
    a, b = torch.tensor([2.0]), torch.tensor([-1.0])
    assert layers.weighted_sum(a, b, 0.3).item() == pytest.approx((0.7 * 2 - 0.3) / math.sqrt(0.58))
    assert layers.weighted_sum(a, b, 0.0).item() == 2
    assert layers.weighted_sum(a, b, 1.0).item() == -1


@pytest.mark.parametrize("weight", [0.2, 0.5])
def test_parts_of_a_concatenation_contribute_by_their_weight_whatever_their_width(weight):
    joined = layers.concatenate(normal(256, 4, 8, 8), normal(256, 60, 8, 8, seed=1), weight)
    first, second = joined[:, :4].square().sum(1).mean(), joined[:, 4:].square().sum(1).mean()
    assert (first / second).item() == pytest.approx(((1 - weight) / weight) ** 2, rel=0.03)


def test_fourier_features_have_unit_variance_at_every_number():
    torch.manual_seed(0)
    fourier = layers.Fourier(20_000)
    out = fourier(torch.tensor([0.0, 0.3, -1.5, 40.0]))
    torch.testing.assert_close(out.square().mean(1), torch.ones(4), rtol=0, atol=0.04)


def test_fourier_features_are_cosines_at_stored_frequencies_and_phases():
    fourier = layers.Fourier(3)
    assert set(fourier.state_dict()) == {"freqs", "phases"}
    expected = math.sqrt(2) * (0.7 * fourier.freqs + fourier.phases).cos()
    torch.testing.assert_close(fourier(torch.tensor([0.7]))[0], expected)
    assert ((fourier.phases >= 0) & (fourier.phases < 2 * math.pi)).all()


def test_a_layer_keeps_unit_variance_whatever_the_length_of_its_weights():
    torch.manual_seed(0)
    layer = layers.Weight(50, 40, 3).eval()
    with torch.no_grad():
        layer.weight.mul_(torch.logspace(-1, 3, 40).view(-1, 1, 1, 1))
        # Zero padding takes something from the border: look at the inside.
        out = layer(normal(20, 50, 12, 12))[:, :, 1:-1, 1:-1]
    assert out.square().mean().item() == pytest.approx(1, abs=0.05)


def test_a_linear_layer_applies_unit_rows_and_a_gain():
    layer, x = layers.Weight(6, 3).eval(), normal(4, 6)
    rows = layer.weight / layer.weight.norm(dim=1, keepdim=True)
    torch.testing.assert_close(layer(x), x @ rows.T, rtol=2e-4, atol=1e-4)
    torch.testing.assert_close(layer(x, 0.5), 0.5 * layer(x))
    torch.testing.assert_close(layer(x, torch.tensor(0.0)), torch.zeros(4, 3))
    assert set(layer.state_dict()) == {"weight"}


def test_training_renews_the_length_of_weights_and_evaluation_leaves_it():
    layer = layers.Weight(20, 5)
    with torch.no_grad():
        layer.weight.mul_(7)
    before = layer.weight.clone()
    layer.eval()(normal(2, 20))
    assert torch.equal(before, layer.weight)
    layer.train()(normal(2, 20))
    torch.testing.assert_close(layer.weight.square().mean(1).sqrt(), torch.ones(5), rtol=0, atol=2e-4)


def test_the_gradient_has_no_part_along_the_weight():
    # So a step of any size would only make the weight longer, and the direction turn ever more slowly.
    layer, x = layers.Weight(20, 5), normal(8, 20)
    layer(x).square().mean().backward()
    along = (layer.weight.grad * layer.weight).sum(1)
    size = layer.weight.grad.norm(dim=1) * layer.weight.norm(dim=1)
    assert (along.abs() < 1e-3 * size).all()  # EPS leaves a little


def test_two_calls_before_one_backward_pass_have_the_gradients_of_each():
    layer, x = layers.Weight(6, 3).train(), normal(4, 6)
    for _ in range(3):  # to the fixed point of the length
        layer(x)
    together = torch.autograd.grad(layer(x).square().sum() + layer(-2 * x).square().sum(), layer.weight)[0]
    apart = sum(torch.autograd.grad(layer(factor * x).square().sum(), layer.weight)[0] for factor in (1, -2))
    torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-4)
