"""Whether EDM's U-Net fits the data is said before any work, with the sizes that would fit."""

import pytest
import torch

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_edm import UNetConfig, harness_models
from harness_edm.check import fits, image_size, normalised_widths
from harness_edm.presets import PRESETS
from harness_edm.unet import build

UNET = harness_models()[1]


def usage(*shape):
    return ModelUsage(DataSpec(shape))


def test_channels_and_size_are_those_of_the_images():
    assert image_size(UNetConfig(), DataSpec((3, 32, 32))) == (3, 32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2,), r"needs square images, \(channels, size, size\), not data of shape \(2,\)"),
        ((3, 8, 4), "needs square images"),
        ((3, 7, 7), r"2 levels \(channel_mult\) need a size divisible by 2, and the images are 7×7"),
    ],
)
def test_data_that_do_not_fit_are_the_users_mistake(shape, message):
    with pytest.raises(UserError, match=f"model edm-unet: .*{message}"):
        fits(UNetConfig(), usage(*shape))


def test_more_levels_need_a_size_that_can_be_halved_more_often():
    fits(UNetConfig(channel_mult=(1, 2, 2, 2)), usage(3, 24, 24))
    with pytest.raises(UserError, match="divisible by 16"):
        fits(UNetConfig(channel_mult=(1, 2, 2, 2, 2)), usage(3, 24, 24))


def test_attention_at_a_size_that_no_level_has_is_named_with_the_sizes_there_are():
    with pytest.raises(UserError, match=r"no level has 10; on 16×16 the levels \(channel_mult\) have 16, 8$"):
        fits(UNetConfig(attn_resolutions=(16, 10)), usage(1, 16, 16))
    fits(UNetConfig(attn_resolutions=(16, 8)), usage(1, 16, 16))


def test_attention_that_the_settings_do_not_name_need_not_fit():
    # The default, 8, is for the tiny networks of 16 pixels; a board with other images need not know of it.
    fits(UNetConfig(), usage(1, 28, 28))


def test_the_component_asks_this_check_when_a_board_is_read():
    UNET.check_usage(UNetConfig(), usage(1, 16, 16))
    with pytest.raises(UserError, match="model edm-unet"):
        UNET.check_usage(UNetConfig(), usage(2))


@pytest.mark.parametrize("architecture", ["ddpm++", "ncsn++", "adm"])
@pytest.mark.parametrize("settings", [
    {"model_channels": 8}, {"model_channels": 32}, {"model_channels": 36, "channel_mult": (1,)}, {"model_channels": 48},
    {"model_channels": 16, "channel_mult": (2, 3), "num_blocks": 2}, {"model_channels": 20, "channel_mult": (1, 2, 4)},
])  # fmt: skip
def test_widths_are_refused_exactly_where_the_network_cannot_be_built(architecture, settings):
    config = UNetConfig(**{"channel_mult": (1, 2), **settings}, architecture=architecture, attn_resolutions=(16,))
    spec = DataSpec((1, 16, 16))
    with torch.device("meta"):
        try:
            network = build(config, spec)
        except ValueError:
            with pytest.raises(
                UserError, match=r"^model edm-unet: model_channels \d+ and channel_mult \[.*\] make a layer of \d+"
            ):
                fits(config, ModelUsage(spec))
            return
    fits(config, ModelUsage(spec))
    norms = [module.num_channels for module in network.modules() if isinstance(module, torch.nn.GroupNorm)]
    assert set(normalised_widths(config)) <= set(norms)


def test_the_published_widths_fit():
    for preset in PRESETS.values():
        if isinstance(preset.config, UNetConfig):
            fits(preset.config, ModelUsage(preset.spec))
