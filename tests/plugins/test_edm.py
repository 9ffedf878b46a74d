"""EDM for points: scalings, loss, and the order of Heun's method."""

import math

import pytest
import torch

from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness.toolkit.denoising import NoisyLevel
from harness_edm import EDMConfig, HeunConfig, harness_models
from harness_edm.sampler import build as heun
from harness_edm.sampler import noise_levels

POINTS = DataSpec((2,))


@pytest.fixture
def model():
    return models.build(harness_models()[0], EDMConfig(width=16, depth=2), POINTS)


class GaussianDenoiser(torch.nn.Module):
    """The exact denoiser of normal data with mean 0 and standard deviation `std`."""

    def __init__(self, std, low=1e-6, high=20.0):
        super().__init__()
        self.std, self.sigma_range, self.calls = std, (low, high), 0

    def forward(self, x, sigma):
        self.calls += 1
        return x * self.std**2 / (self.std**2 + sigma**2)

    def denoise(self, x, sigma, labels):
        return self(x, sigma)


def draw(model, steps, rho=7.0, n=20):
    return heun(HeunConfig(steps=steps, rho=rho))(model, POINTS, SampleStreams(0, "sample", range(n)), None)


def test_eighteen_steps_call_the_network_thirty_five_times():
    model = GaussianDenoiser(0.5)
    draw(model, 18)
    assert model.calls == 35


def test_heuns_error_falls_fourfold_when_the_steps_double():
    model = GaussianDenoiser(0.5)
    noise = SampleStreams(0, "sample", range(20)).normal(2).double()
    # The ODE dx/dsigma = x sigma / (std^2 + sigma^2) has the solution x ~ sqrt(std^2 + sigma^2).
    exact = 20.0 * noise * 0.5 / math.sqrt(0.5**2 + 20.0**2)
    errors = [float((draw(model, steps).double() - exact).abs().max()) for steps in (32, 64, 128)]
    # Second order: a factor 4 in the limit; at these steps the next order still shows.
    assert 3.3 < errors[0] / errors[1] < 4.8
    assert 3.5 < errors[1] / errors[2] < 4.5


@pytest.mark.parametrize(("steps", "too_wide"), [(18, 1.0318), (36, 1.0071), (72, 1.0017)])
def test_the_solvers_own_error_widens_gaussian_data_by_a_known_factor(steps, too_wide):
    # Worked out on the scalar recursion: at 18 steps from sigma 20 a perfect denoiser gives samples 3 % too wide.
    noise = SampleStreams(0, "sample", range(20)).normal(2).double()
    sampled = draw(GaussianDenoiser(0.5, low=0.002, high=20.0), steps).double()
    exact = 20.0 * noise * 0.5 / math.sqrt(0.5**2 + 20.0**2)
    torch.testing.assert_close(sampled, too_wide * exact, rtol=1e-4, atol=0)


def test_noise_levels_run_from_high_to_low_and_end_at_zero():
    levels = noise_levels(5, low=0.1, high=10.0, rho=7.0)
    assert levels.dtype == torch.float64
    assert levels.tolist()[0] == pytest.approx(10.0)
    assert levels.tolist()[-2:] == [pytest.approx(0.1), 0.0]
    assert (levels.diff() < 0).all()


def test_rho_one_spaces_the_levels_evenly():
    assert noise_levels(4, low=1.0, high=4.0, rho=1.0).tolist() == pytest.approx([4, 3, 2, 1, 0])


@pytest.mark.parametrize(("steps", "low", "high"), [(1, 0.1, 1.0), (5, 0.0, 1.0), (5, 2.0, 1.0)])
def test_impossible_noise_levels_are_an_error(steps, low, high):
    with pytest.raises(ValueError, match="need steps >= 2 and 0 < low < high"):
        noise_levels(steps, low=low, high=high, rho=7.0)


def test_a_sigma_range_in_the_wrong_order_is_a_fault():
    with pytest.raises(ValueError, match="is not below sigma_max"):
        EDMConfig(sigma_min=3.0, sigma_max=2.0)


def test_the_denoiser_returns_its_input_when_there_is_no_noise_to_remove(model):
    x = torch.randn(5, 2)
    torch.testing.assert_close(model.denoise(x, torch.tensor(1e-6), None), x, rtol=0, atol=1e-5)


def test_the_denoiser_is_the_weighted_sum_of_input_and_network(model):
    x, sigma, data = torch.randn(4, 2), torch.tensor([0.1, 0.5, 1.0, 5.0]), 0.5
    level = sigma[:, None]
    raw = model.model(x / (level**2 + data**2).sqrt(), sigma.log() / 4)
    expected = data**2 / (level**2 + data**2) * x + level * data / (level**2 + data**2).sqrt() * raw
    torch.testing.assert_close(model.denoise(x, sigma, None), expected)


def test_the_loss_weighs_each_level_by_its_signal_to_noise(model):
    x, sigma, noise, data = torch.randn(3, 2), torch.tensor([0.1, 0.5, 2.0]), torch.randn(3, 2), 0.5
    denoised = model.denoise(x + sigma[:, None] * noise, sigma, None)
    weight = (sigma**2 + data**2) / (sigma * data) ** 2
    expected = -weight * ((denoised - x) ** 2).sum(1)
    torch.testing.assert_close(model.log_likelihood(x, None, NoisyLevel(sigma, noise)), expected)


def test_training_draws_log_normal_noise_levels(model):
    sigma, noise = model.draw(torch.zeros(20_000, 2), stream(0, "draw"))
    # Standard errors: 0.0085 and 0.006.
    assert sigma.log().mean().item() == pytest.approx(-1.2, abs=0.04)
    assert sigma.log().std().item() == pytest.approx(1.2, abs=0.03)
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)


def test_a_few_hundred_steps_teach_it_a_gaussian():
    model = models.build(harness_models()[0], EDMConfig(width=32, depth=2), POINTS)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(300):
        generator = stream(0, "step", step)
        x = torch.tensor([0.3, -0.2]) + 0.4 * torch.randn(256, 2, generator=generator)
        optimizer.zero_grad()
        model.training_loss(x, None, generator).mean().backward()
        optimizer.step()
    sampled = draw(model, 18, n=2000)
    torch.testing.assert_close(sampled.mean(0), torch.tensor([0.3, -0.2]), rtol=0, atol=0.06)
    torch.testing.assert_close(sampled.std(0), torch.tensor([0.4, 0.4]), rtol=0, atol=0.06)
