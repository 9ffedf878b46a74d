"""EDM's denoiser of points: scalings, loss, draws, and whether it learns."""

import pytest
import torch

from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness.toolkit.denoising import NoisyLevel
from harness_edm import EDMConfig, HeunConfig, harness_models
from harness_edm.sampler import Heun

COMPONENT = harness_models()[0]
POINTS = DataSpec((2,))


@pytest.fixture
def model():
    return models.build(COMPONENT, EDMConfig(width=16, depth=2), POINTS)


def test_it_keeps_the_contract():
    models.check_model(COMPONENT, config=EDMConfig(width=16, depth=2), spec=POINTS)


def test_the_denoiser_returns_its_input_when_there_is_no_noise_to_remove(model):
    x = torch.randn(5, 2)
    torch.testing.assert_close(model.denoise(x, torch.tensor(1e-6), None), x, rtol=0, atol=1e-5)


def test_the_denoiser_is_the_weighted_sum_of_input_and_network(model):
    x, sigma, data = torch.randn(4, 2), torch.tensor([0.1, 0.5, 1.0, 5.0]), 0.5
    level = sigma[:, None]
    raw = model.model(x / (level**2 + data**2).sqrt(), sigma.log() / 4)
    expected = data**2 / (level**2 + data**2) * x + level * data / (level**2 + data**2).sqrt() * raw
    torch.testing.assert_close(model.denoise(x, sigma, None), expected)


def test_the_spread_of_the_data_is_part_of_the_scalings(model):
    wide = models.build(COMPONENT, EDMConfig(width=16, depth=2, sigma_data=2.0), POINTS)
    x, sigma = torch.randn(3, 2), torch.tensor(1.0)
    raw = wide.model(x / 5**0.5, torch.tensor(0.0))
    torch.testing.assert_close(wide.denoise(x, sigma, None), 0.8 * x + 2 / 5**0.5 * raw)


def test_labels_change_nothing(model):
    x, sigma = torch.randn(3, 2), torch.tensor([0.1, 1.0, 10.0])
    assert torch.equal(model.denoise(x, sigma, torch.tensor([0, 1, 2])), model.denoise(x, sigma, None))


def test_the_loss_weighs_each_level_by_its_signal_to_noise(model):
    x, sigma, noise, data = torch.randn(3, 2), torch.tensor([0.1, 0.5, 2.0]), torch.randn(3, 2), 0.5
    denoised = model.denoise(x + sigma[:, None] * noise, sigma, None)
    weight = (sigma**2 + data**2) / (sigma * data) ** 2
    expected = -weight * ((denoised - x) ** 2).sum(1)
    torch.testing.assert_close(model.log_likelihood(x, None, NoisyLevel(sigma, noise)), expected)


def test_the_weighted_loss_is_the_error_of_the_raw_network(model):
    # Eq. 8: with the weight 1 / c_out^2 the loss is |F - (x - c_skip y) / c_out|^2 at y = x + sigma n.
    x, noise, sigma, data = torch.randn(3, 2), torch.randn(3, 2), torch.tensor([0.1, 0.5, 2.0]), 0.5
    level = sigma[:, None]
    total = level**2 + data**2
    noisy, c_skip, c_out = x + level * noise, data**2 / total, level * data / total.sqrt()
    raw, target = model.model(noisy / total.sqrt(), sigma.log() / 4), (x - c_skip * noisy) / c_out
    torch.testing.assert_close(
        model.log_likelihood(x, None, NoisyLevel(sigma, noise)), -((raw - target) ** 2).sum(1), rtol=1e-4, atol=1e-5
    )


def test_training_draws_log_normal_noise_levels(model):
    sigma, noise = model.draw(torch.zeros(20_000, 2), stream(0, "draw"))
    # Standard errors: 0.0085 and 0.006.
    assert sigma.log().mean().item() == pytest.approx(-1.2, abs=0.04)
    assert sigma.log().std().item() == pytest.approx(1.2, abs=0.03)
    assert noise.std().item() == pytest.approx(1.0, abs=0.02)


def test_a_few_hundred_steps_teach_it_a_gaussian():
    model = models.build(COMPONENT, EDMConfig(width=32, depth=2), POINTS)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(300):
        generator = stream(0, "step", step)
        x = torch.tensor([0.3, -0.2]) + 0.4 * torch.randn(256, 2, generator=generator)
        optimizer.zero_grad()
        model.training_loss(x, None, generator).mean().backward()
        optimizer.step()
    sampled = Heun(HeunConfig(steps=18))(model, POINTS, SampleStreams(0, "sample", range(2000)), None)
    torch.testing.assert_close(sampled.mean(0), torch.tensor([0.3, -0.2]), rtol=0, atol=0.06)
    torch.testing.assert_close(sampled.std(0), torch.tensor([0.4, 0.4]), rtol=0, atol=0.06)
