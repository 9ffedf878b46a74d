"""What walks know of images: bounds on variances, on the last noise, and on the predicted image."""

import math

import pytest
import torch

from harness.interfaces import DataSpec
from harness.streams import stream
from harness_ddpm.image_bounds import largest_std_of_noise, largest_variance_of_noise, noise_of_clipped, of_images

IMAGES, LATENTS, POINTS = DataSpec((1, 4, 4), preview="images"), DataSpec((4, 4, 4), preview="latents"), DataSpec((2,))


def test_images_have_a_range_and_points_and_latents_have_none():
    assert [of_images(spec) for spec in (IMAGES, LATENTS, POINTS)] == [True, False, False]
    assert largest_variance_of_noise(LATENTS, 1e-4) == 1
    assert largest_variance_of_noise(POINTS, 1e-4) == 1


@pytest.mark.parametrize("alpha_bar", [1e-4, 0.5, 0.99])
def test_the_bound_is_reached_by_pixels_that_are_black_or_white(alpha_bar):
    # Var(x_0) = 1 for a fair coin of -1 and 1, and eps = (x - sqrt(a) x_0) / sqrt(1 - a) at a fixed x.
    clean = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    eps = (0.3 - math.sqrt(alpha_bar) * clean) / math.sqrt(1 - alpha_bar)
    assert largest_variance_of_noise(IMAGES, alpha_bar) == pytest.approx(float(eps.var(correction=0)))


def test_the_last_noise_has_the_mean_size_of_some_grey_levels():
    std = largest_std_of_noise(2)
    assert std**2 == pytest.approx((2 * 2 / 255) ** 2 * math.pi / 2)  # as published
    drawn = std * torch.randn(100_000, generator=stream(0, "noise"), dtype=torch.float64)
    assert float(drawn.abs().mean()) == pytest.approx(2 * 2 / 255, rel=0.01)


def test_noise_within_the_range_stays_and_noise_beyond_it_leads_to_black_or_white():
    alpha_bar, x = 0.36, torch.tensor([[0.1, 0.9, -0.9]])
    eps = torch.tensor([[0.0, -1.0, 1.0]])
    clipped = noise_of_clipped(x, eps, alpha_bar)
    torch.testing.assert_close((x - 0.8 * clipped) / 0.6, torch.tensor([[0.1 / 0.6, 1.0, -1.0]]))
    torch.testing.assert_close(clipped[:, 0], eps[:, 0], atol=1e-6, rtol=0)
