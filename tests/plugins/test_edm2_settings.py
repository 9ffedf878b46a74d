"""Settings of the EDM2 plugin, its scale of latents, and the checks of data, which work without an autoencoder."""

import pydantic
import pytest
import torch

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_edm2 import EDM2Config, VAEConfig, harness_models, latents
from harness_edm2.check import fits, image_size, latents_of

SMALL = VAEConfig(block_out_channels=(4, 8), norm_num_groups=4, means=(0.5, -0.25), stds=(2.0, 1.5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"means": (0.0,)}, "1 means and 4 stds: each channel needs one of each"),
        ({"block_out_channels": (48,)}, r"48 is not a multiple of norm_num_groups \(32\)"),
        ({"weights": "vae"}, "weights and sha256 go together"),
        ({"sha256": "0" * 64}, "weights and sha256 go together"),
        ({"weights": "vae", "sha256": "xyz"}, "should match pattern"),
        ({"stds": (0.0, 1.0, 1.0, 1.0)}, "greater than 0"),
    ],
)
def test_an_autoencoder_that_cannot_be_is_a_fault(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        VAEConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label_balance": 1.5}, "less than or equal to 1"),
        ({"clip_act": 0.0}, "greater than 0"),
        ({"resample_filter": (1.0,)}, "at least 2 items"),
        ({"sigma_min": 90.0}, "is not below sigma_max"),
    ],
)
def test_settings_that_no_network_has_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        EDM2Config(**settings)


def test_each_level_but_the_last_halves_the_image():
    assert VAEConfig().downscale == 8
    assert SMALL.downscale == 2
    assert VAEConfig(block_out_channels=(32,)).downscale == 1


def test_settings_without_an_autoencoder_have_the_keys_that_they_had():
    assert "vae" not in EDM2Config().identity
    assert "vae" in EDM2Config(vae=SMALL).identity


def test_noise_levels_are_those_of_imagenet_512():
    assert (EDM2Config().p_mean, EDM2Config().p_std, EDM2Config().sigma_data) == (-0.4, 1.0, 0.5)


# The scale of latents.


def test_latents_have_mean_zero_and_half_a_deviation_over_the_data():
    means, stds = (3.0, -1.0), (2.0, 0.5)
    x = torch.randn(2000, 2, 4, 4) * torch.tensor(stds).view(1, 2, 1, 1) + torch.tensor(means).view(1, 2, 1, 1)
    stored = torch.cat([x, torch.zeros_like(x)], dim=1)  # a posterior without spread
    scaled = latents.draw_latents(stored, torch.zeros_like(x), means=means, stds=stds)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=0.02)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.full((2,), 0.5), rtol=0, atol=0.02)


def test_noise_is_scaled_by_the_posteriors_own_deviation():
    mean, std, noise = torch.randn(3, 4, 2, 2), torch.rand(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    drawn = latents.draw_latents(torch.cat([mean, std], 1), noise)
    torch.testing.assert_close(latents.to_vae(drawn), mean + std * noise, rtol=1e-4, atol=1e-4)


def test_the_stability_vaes_scale_is_that_of_its_channels():
    torch.testing.assert_close(latents.scale(), 0.5 / torch.tensor([4.17, 4.62, 3.71, 3.28]))
    torch.testing.assert_close(latents.bias(), -torch.tensor([5.81, 3.25, 0.12, -2.15]) * latents.scale())


# Checks of data.


@pytest.fixture(autouse=True)
def diffusers_is_installed(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", lambda package: package)


def usage(*shape):
    return ModelUsage(DataSpec(shape))


def test_channels_and_size_are_those_of_the_images():
    assert image_size(EDM2Config(), DataSpec((3, 32, 32))) == (3, 32)


def test_latents_are_smaller_have_a_channel_for_each_mean_and_keep_the_classes():
    assert latents_of(SMALL, DataSpec((3, 16, 24), 5, "images")) == DataSpec((2, 8, 12), 5, "images")


@pytest.mark.parametrize("shape", [(2,), (3, 15, 16), (3, 16, 15)])
def test_images_that_the_vae_cannot_halve_are_the_users_mistake(shape):
    with pytest.raises(UserError, match=r"the VAE takes images, .* whose sizes are multiples of 2, not data of shape"):
        latents_of(SMALL, DataSpec(shape))


@pytest.mark.parametrize(
    ("config", "shape", "message"),
    [
        (EDM2Config(), (2,), "needs square images"),
        (EDM2Config(), (3, 7, 7), r"2 levels \(channel_mult\) need a size divisible by 2"),
        (EDM2Config(attn_resolutions=(10,)), (3, 16, 16), "attn_resolutions: no level has 10"),
        (EDM2Config(attn_resolutions=(16,), vae=SMALL), (3, 16, 16), "attn_resolutions: no level has 16; on 8×8"),
        (EDM2Config(vae=SMALL), (3, 16, 16), "vae.weights is missing: a base that is pretrained needs a trained autoencoder"),
    ],
)
def test_a_base_that_cannot_be_pretrained_is_the_users_mistake(config, shape, message):
    with pytest.raises(UserError, match=f"model edm2-unet: .*{message}"):
        fits(config, usage(*shape))


def test_a_base_that_fits_is_no_fault():
    fits(EDM2Config(), usage(3, 28, 28))
    fits(EDM2Config(vae=SMALL.model_copy(update={"weights": "vae", "sha256": "0" * 64})), usage(3, 16, 16))
    harness_models()[0].check_usage(EDM2Config(), usage(1, 8, 8))
