"""Settings of the EDM plugin: what a field that is left out stands for, and which settings contradict each other."""

import pydantic
import pytest

from harness_edm import EDMConfig, EulerConfig, HeunConfig, StochasticConfig, UNetConfig, harness_models, harness_samplers


@pytest.mark.parametrize(
    ("architecture", "noise_mult", "per_head", "embedding", "encoder", "taps"),
    [
        ("ddpm++", 1, None, "positional", "standard", (1, 1)),
        ("ncsn++", 2, None, "fourier", "residual", (1, 3, 3, 1)),
        ("adm", 1, 64, "positional", "standard", (1, 1)),
    ],
)
def test_what_is_left_out_is_what_the_architecture_has(architecture, noise_mult, per_head, embedding, encoder, taps):
    config = UNetConfig(architecture=architecture)
    assert (config.noise_mult, config.channels_per_head, config.noise_embedding) == (noise_mult, per_head, embedding)
    assert (config.input_stream, config.taps) == (encoder, taps)


def test_what_is_written_comes_before_what_the_architecture_has():
    config = UNetConfig(
        architecture="ncsn++", channel_mult_noise=3, head_channels=8, embedding="positional", encoder="standard",
        resample_filter=(1, 2, 1),
    )  # fmt: skip
    assert (config.noise_mult, config.channels_per_head, config.noise_embedding) == (3, 8, "positional")
    assert (config.input_stream, config.taps) == ("standard", (1, 2, 1))


@pytest.mark.parametrize("settings", [{"embedding": "fourier"}, {"encoder": "residual"}, {"channel_mult_noise": 2}])
def test_adm_rejects_what_it_has_not(settings):
    with pytest.raises(pydantic.ValidationError, match="adm has"):
        UNetConfig(architecture="adm", **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"model_channels": 6},
        {"channel_mult": ()},
        {"num_blocks": 0},
        {"dropout": 1.0},
        {"resample_filter": (1.0,)},
        {"architecture": "unet"},
    ],
    ids=str,
)
def test_sizes_that_no_network_has_are_faults(settings):
    with pytest.raises(pydantic.ValidationError, match=next(iter(settings))):
        UNetConfig(**settings)


def test_a_range_of_levels_in_the_wrong_order_is_a_fault():
    with pytest.raises(ValueError, match="is not below sigma_max"):
        EDMConfig(sigma_min=3.0, sigma_max=2.0)


def test_churn_between_levels_in_the_wrong_order_is_a_fault():
    with pytest.raises(ValueError, match=r"s_min \(2\.0\) is above s_max \(1\.0\)"):
        StochasticConfig(s_min=2.0, s_max=1.0)
    assert StochasticConfig(s_min=1.0, s_max=1.0).s_min == 1.0


@pytest.mark.parametrize("config", [HeunConfig, EulerConfig, StochasticConfig])
def test_a_sampler_needs_two_levels(config):
    with pytest.raises(pydantic.ValidationError, match="greater than or equal to 2"):
        config(steps=1)


def test_the_paper_s_settings_are_the_defaults():
    assert (HeunConfig().steps, HeunConfig().rho) == (18, 7.0)
    stochastic = StochasticConfig()
    assert (stochastic.steps, stochastic.s_churn, stochastic.s_min, stochastic.s_max) == (256, 40.0, 0.05, 50.0)
    assert stochastic.s_noise == 1.003
    assert (EDMConfig().p_mean, EDMConfig().p_std, UNetConfig().sigma_max) == (-1.2, 1.2, 80.0)


def test_euler_and_heun_call_the_network_as_often_by_default():
    assert 2 * HeunConfig().steps - 1 == EulerConfig().steps


def test_the_plugin_provides_two_models_and_three_samplers():
    assert [model.name for model in harness_models()] == ["edm-mlp", "edm-unet"]
    assert [sampler.name for sampler in harness_samplers()] == ["heun", "euler", "edm-stochastic"]
    assert all(sampler.needs == {"Denoises"} for sampler in harness_samplers())
