"""Critic and value network for images. Agreement with the reference is in tests/parity."""

import pytest
import torch

from harness.streams import stream
from harness_sft_pg.image_networks import ImageCritic, ImageValue, initialise_images


def test_a_critic_scores_images_of_any_size_from_32():
    critic = ImageCritic(3, features=2)
    assert critic(torch.randn(2, 3, 32, 32)).shape == (2, 1)
    assert critic(torch.randn(2, 3, 64, 64)).shape == (2, 1)


def test_a_value_depends_on_the_step():
    value = ImageValue((3, 4, 4), 5, widths=(16, 16, 8))
    initialise_images(value, stream(0, "value"))
    x = torch.randn(4, 3, 4, 4)
    torch.testing.assert_close(value(x, 2), value(x, torch.full((4,), 2)))
    assert not torch.equal(value(x, 2), value(x, 3))


def test_initialisation_repeats_and_has_the_published_scales():
    critic, value = ImageCritic(3, features=8), ImageValue((3, 8, 8), 5, widths=(64, 64, 32))
    before = torch.get_rng_state()
    initialise_images(critic, stream(0, "critic"))
    initialise_images(value, stream(0, "value"))
    assert torch.equal(before, torch.get_rng_state())
    assert critic.layer2.weight.std().item() == pytest.approx((2 / (16 * 16)) ** 0.5, rel=0.05)
    assert value.lin1.lin.weight.std().item() == pytest.approx((2 / (192 + 64)) ** 0.5, rel=0.05)
    assert value.lin1.embed.weight.min() >= 0
    again = ImageCritic(3, features=8)
    initialise_images(again, stream(0, "critic"))
    assert torch.equal(again.layer1.weight, critic.layer1.weight)
