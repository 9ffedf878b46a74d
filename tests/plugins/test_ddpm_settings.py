"""Settings of the DDPM plugin, the checks of data, and what the plugin provides."""

import pydantic
import pytest

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_ddpm import (
    AnalyticConfig,
    DDIMConfig,
    DDPMConfig,
    FastDPMConfig,
    HeadConfig,
    SubsampledConfig,
    UNetConfig,
    harness_models,
    harness_samplers,
)
from harness_ddpm.check import fits, image_size


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "cosine"}, "needs the linear schedule"),
        ({"ch": 18}, r"ch \(18\) is not a multiple of norm_groups \(4\)"),
        ({"ch": 2}, "greater than or equal to 4"),
        ({"dropout": 1.0}, "less than 1"),
        ({"ch_mult": ()}, "at least 1 item"),
    ],
)
def test_settings_that_no_network_has_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        UNetConfig(**settings)


def test_a_first_beta_above_the_last_is_a_fault():
    with pytest.raises(pydantic.ValidationError, match="above beta_end"):
        DDPMConfig(beta_start=0.5, beta_end=0.1)


@pytest.mark.parametrize("config", [SubsampledConfig, DDIMConfig, AnalyticConfig, HeadConfig])
def test_a_walk_takes_some_steps_or_all_but_not_none_of_them(config):
    assert config(steps=None).steps is None
    with pytest.raises(pydantic.ValidationError, match="greater than 0"):
        config(steps=0)


@pytest.mark.parametrize(("config", "noise"), [(DDIMConfig, "eta"), (FastDPMConfig, "kappa")])
def test_noise_is_a_share_of_ddpms(config, noise):
    with pytest.raises(pydantic.ValidationError, match="less than or equal to 1"):
        config(**{noise: 1.1})


def test_ddim_has_no_noise_by_default_and_the_best_variances_have_all():
    assert DDIMConfig().eta == 0
    assert (AnalyticConfig().eta, HeadConfig().eta, FastDPMConfig().kappa) == (1, 1, 1)


def test_the_plugin_provides_two_models_and_a_sampler_for_each_paper():
    assert [model.name for model in harness_models()] == ["ddpm-mlp", "ddpm-unet"]
    needs = {sampler.name: set(sampler.needs) for sampler in harness_samplers()}
    assert needs.pop("ancestral") == {"Transitions"}
    assert set(needs) == {"ddpm", "ddim", "fastdpm", "analytic-dpm", "sn-dpm", "npr-dpm"}
    assert all(need == {"NoiseChain"} for need in needs.values())


def usage(*shape):
    return ModelUsage(DataSpec(shape))


def test_channels_and_size_are_those_of_the_images():
    assert image_size(UNetConfig(), DataSpec((3, 32, 32))) == (3, 32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2,), r"needs square images, \(channels, size, size\), not data of shape \(2,\)"),
        ((3, 8, 4), "needs square images"),
        ((3, 7, 7), r"2 levels \(ch_mult\) need a size divisible by 2, and the images are 7×7"),
    ],
)
def test_data_that_do_not_fit_are_the_users_mistake(shape, message):
    with pytest.raises(UserError, match=f"model ddpm-unet: .*{message}"):
        fits(UNetConfig(), usage(*shape))


def test_attention_at_a_size_that_no_level_has_is_named_with_the_sizes_there_are():
    with pytest.raises(UserError, match=r"no level has 32; on 16×16 the levels \(ch_mult\) have 16, 8$"):
        fits(UNetConfig(attn_resolutions=(32, 16)), usage(1, 16, 16))
    fits(UNetConfig(), usage(1, 28, 28))  # the default is for tiny networks, and need not fit
