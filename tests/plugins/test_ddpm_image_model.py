"""The DDPM for images: contract, the chain in few steps around the U-Net, dropout, data that do not fit."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness_ddpm import UNetConfig, harness_models
from harness_ddpm.image_model import build

COMPONENT = next(component for component in harness_models() if component.name == "ddpm-unet")
IMAGES = DataSpec((1, 8, 8), preview="images")


def tiny(**settings):
    return models.build(COMPONENT, UNetConfig(**{"ch": 8, "attn_resolutions": (4,)} | settings), IMAGES)


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(UNetConfig(), IMAGES).parameters()) < 100_000


@pytest.mark.parametrize("sampling_steps", [5, None])
def test_it_keeps_the_contract(sampling_steps):
    config = UNetConfig(ch=8, attn_resolutions=(4,), steps=20, beta_end=0.3, sampling_steps=sampling_steps)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


def test_a_short_chain_has_its_own_number_of_steps_and_calls_between_whole_ones():
    model, x = tiny(sampling_steps=5), torch.randn(2, 1, 8, 8)
    assert model.transitions == 5
    mean, std = model.transition(x, 2)
    eps = model(x, model.fast_time[2])
    torch.testing.assert_close(mean, model.fast_x_mult[2] * x + model.fast_eps_mult[2] * eps)
    assert float(std) == float(model.fast_std[2])
    assert float(model.fast_time[2]) % 1 != 0


def test_as_many_short_steps_as_long_ones_are_the_long_chain():
    config = UNetConfig(steps=100, beta_start=1e-3, beta_end=0.05, sampling_steps=100, sampling_schedule="linear")
    model = models.build(COMPONENT, config, IMAGES)
    whole = models.build(COMPONENT, config.model_copy(update={"sampling_steps": None}), IMAGES)
    x = torch.randn(4, 1, 8, 8)
    for step in (0, 50, 90):
        first, second = model.transition(x, step), whole.transition(x, step)
        torch.testing.assert_close(first.mean, second.mean, rtol=0, atol=1e-3)
        torch.testing.assert_close(first.std, second.std, rtol=2e-3, atol=0)


def test_the_last_step_has_a_little_noise():
    assert tiny().transition(torch.randn(1, 1, 8, 8), 9).std.item() == pytest.approx(0.001)


def test_dropout_repeats_with_its_draw():
    model = tiny(dropout=0.5).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    first = model.log_likelihood(x, None, draw)
    torch.manual_seed(7)
    assert torch.equal(first, model.log_likelihood(x, None, draw))
    assert not torch.equal(first, model.eval().log_likelihood(x, None, draw))


@pytest.mark.parametrize("spec", [DataSpec((2,)), DataSpec((3, 7, 7))])
def test_data_that_do_not_fit_are_the_users_mistake(spec):
    with pytest.raises(UserError, match="model ddpm-unet"):
        build(UNetConfig(), spec)


def test_on_patches_it_keeps_the_contract_and_its_chain():
    config = UNetConfig(ch=8, ch_mult=(1, 2), attn_resolutions=(4,), steps=20, beta_end=0.3, sampling_steps=5, patch=2)
    models.check_model(COMPONENT, config=config, spec=IMAGES)
    model = build(config, IMAGES)
    assert model.conv_in.in_channels == 4
    assert model(torch.randn(2, 1, 8, 8), 3.5).shape == (2, 1, 8, 8)
    assert "patch" not in config.model_copy(update={"patch": 1}).identity
