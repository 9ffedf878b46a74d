"""DDPM for images: presets, the chain in few steps, conversions. Agreement with the reference is in tests/parity."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness.toolkit.chains import fast_dpm
from harness_ddpm import UNetConfig, harness_models
from harness_ddpm.diffusers_names import to_diffusers, weights_from_diffusers
from harness_ddpm.image_model import build
from harness_ddpm.presets import PRESETS
from harness_ddpm.published import from_diffusers

_spec = importlib.util.spec_from_file_location("published_layout", Path(__file__).with_name("published_layout.py"))
layout = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(layout)

COMPONENT = next(one for one in harness_models() if one.name == "ddpm-unet")
IMAGES = DataSpec((1, 8, 8), preview="images")
CIFAR10 = {
    "sample_size": 32, "in_channels": 3, "block_out_channels": [128, 256, 256, 256], "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"], "norm_num_groups": 32,
    "norm_eps": 1e-6, "attention_head_dim": None,
}  # fmt: skip


def tiny(**settings):
    return models.build(COMPONENT, UNetConfig(**{"ch": 8, "attn_resolutions": (4,)} | settings), IMAGES)


@pytest.mark.parametrize("name", ["sftpg-cifar10", "sftpg-celeba64"])
def test_a_preset_has_the_published_names_and_shapes(name):
    layout.check_layout(PRESETS[name], build, f"ddpm/{name}.keys.json.gz")


def test_diffusers_names_and_shapes_are_those_of_the_published_file():
    config, spec = from_diffusers(CIFAR10)
    with torch.device("meta"):
        weights = build(config, spec).state_dict()
    renamed = {name: tuple(value.shape) for name, value in to_diffusers(weights, levels=4).items()}
    assert renamed == layout.published("ddpm/diffusers-ddpm-cifar10-32.keys.json.gz")


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(UNetConfig(), IMAGES).parameters()) < 100_000


@pytest.mark.parametrize("sampling_steps", [5, None])
def test_it_keeps_the_contract(sampling_steps):
    config = UNetConfig(ch=8, attn_resolutions=(4,), steps=20, beta_end=0.3, sampling_steps=sampling_steps)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


def test_weights_go_to_diffusers_and_back():
    model = tiny(num_res_blocks=2)
    renamed = to_diffusers(model.state_dict(), levels=2)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for new, before in old.items():
        renamed = {name.replace(f".{new}.", f".{before}."): value for name, value in renamed.items()}
    back = weights_from_diffusers(renamed, model.state_dict())
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())


def test_what_a_diffusers_file_lacks_or_has_too_much_is_named():
    model = tiny()
    renamed = to_diffusers(model.state_dict(), levels=2)
    with pytest.raises(UserError, match=r"have extra\.weight, which this network has not"):
        weights_from_diffusers({**renamed, "extra.weight": torch.zeros(1)}, model.state_dict())
    del renamed["conv_norm_out.bias"]
    with pytest.raises(UserError, match=r"have no conv_norm_out\.bias, which would be norm_out\.bias"):
        weights_from_diffusers(renamed, model.state_dict())


def test_a_diffusers_network_of_another_architecture_is_refused():
    with pytest.raises(UserError, match="flip_sin_to_cos is True, not False"):
        from_diffusers({**CIFAR10, "flip_sin_to_cos": True})


def test_the_same_weights_compute_the_same_in_diffusers():
    diffusers = pytest.importorskip("diffusers")
    settings = {
        "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [8, 8], "layers_per_block": 1,
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
        "norm_num_groups": 4, "norm_eps": 1e-6, "attention_head_dim": None, "freq_shift": 1, "flip_sin_to_cos": False,
        "downsample_padding": 0,
    }  # fmt: skip
    theirs = diffusers.UNet2DModel(**settings).eval()
    model = build(*from_diffusers(settings)).eval()
    theirs.load_state_dict(to_diffusers(model.state_dict(), levels=2), strict=True)
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([0, 10, 999])
    # Two orders of adding the same numbers, over some twenty layers.
    torch.testing.assert_close(model(x, t), theirs(x, t).sample, rtol=0, atol=2e-5)


def test_time_may_be_fractional_and_one_for_all():
    model = tiny()
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(model(x, 2.5), model(x, torch.full((3,), 2.5)))
    between = model(x, 2.5)
    assert (between - model(x, 2)).abs().max() > 1e-7


@pytest.mark.parametrize("kind", ["linear", "quadratic"])
def test_the_short_chain_ends_at_the_noise_of_the_long_one(kind):
    schedule = fast_dpm.fast_schedule(1e-4, 0.02, 1000, 50, kind)
    whole = np.prod(1 - np.linspace(1e-4, 0.02, 1000))
    assert np.prod(1 - schedule.betas) == pytest.approx(whole, rel=2e-4)
    assert (np.diff(schedule.times) < 0).all()


def test_as_many_short_steps_as_long_ones_are_the_long_chain():
    steps = 100
    schedule = fast_dpm.fast_schedule(1e-3, 0.05, steps, steps, "linear")
    np.testing.assert_allclose(schedule.betas, np.linspace(1e-3, 0.05, steps), rtol=1e-3)
    # The band of the bisection over betas, 1e-4 of the product, is worth a few hundredths of a step.
    np.testing.assert_allclose(schedule.times, np.arange(steps)[::-1], atol=0.05)
    config = UNetConfig(steps=steps, beta_start=1e-3, beta_end=0.05, sampling_steps=steps, sampling_schedule="linear")
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"schedule": "cosine"}, "needs the linear schedule"), ({"ch": 18}, r"ch \(18\) is not a multiple")],
)
def test_settings_that_contradict_each_other_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        UNetConfig(**settings)


@pytest.mark.parametrize("spec", [DataSpec((2,)), DataSpec((3, 7, 7))])
def test_data_that_does_not_fit_is_the_users_mistake(spec):
    with pytest.raises(UserError, match="model ddpm-unet"):
        build(UNetConfig(), spec)


def test_an_unknown_sampling_schedule_names_the_known_ones():
    with pytest.raises(ValueError, match="there are linear, quadratic"):
        fast_dpm.fast_schedule(1e-4, 0.02, 1000, 10, "cubic")


def test_the_log_of_the_continuous_product_is_the_product_at_whole_steps():
    log = fast_dpm._continuous_log(1e-4, 0.02, 1000)
    exact = np.cumsum(np.log1p(-np.linspace(1e-4, 0.02, 1000)))
    assert [log(t) for t in (0, 10, 999)] == pytest.approx([exact[0], exact[10], exact[999]], rel=1e-6)
    assert math.isclose(log(999), exact[-1], rel_tol=1e-9)
