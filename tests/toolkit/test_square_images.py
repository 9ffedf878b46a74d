"""What U-Nets ask of images is checked with messages that name the setting and the sizes there are."""

from typing import TypedDict

import pytest

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.square_images import channels_and_side, check_attention_resolutions, check_unet


class Names(TypedDict):
    setting: str
    model: str


NAMES: Names = {"setting": "channel_mult", "model": "unet"}


@pytest.mark.parametrize(("shape", "levels"), [((3, 32, 32), 1), ((3, 32, 32), 4), ((1, 28, 28), 3), ((1, 1, 1), 1)])
def test_square_images_that_can_be_halved_are_taken(shape, levels):
    assert channels_and_side(DataSpec(shape), levels=levels, **NAMES) == shape[:2]


@pytest.mark.parametrize("shape", [(2,), (32, 32), (3, 32, 16), (3, 8, 8, 8)])
def test_other_data_are_refused(shape):
    with pytest.raises(UserError) as caught:
        channels_and_side(DataSpec(shape), levels=1, **NAMES)
    assert str(caught.value) == f"model unet: needs square images, (channels, size, size), not data of shape {shape}"


def test_a_side_that_cannot_be_halved_so_often_is_refused():
    with pytest.raises(UserError) as caught:
        channels_and_side(DataSpec((1, 28, 28)), levels=4, **NAMES)
    assert str(caught.value) == ("model unet: 4 levels (channel_mult) need a size divisible by 8, and the images are 28×28")


def test_attention_is_at_sizes_that_levels_have():
    check_attention_resolutions([32, 8], 32, levels=3, **NAMES)
    check_attention_resolutions([], 32, levels=3, **NAMES)
    with pytest.raises(UserError) as caught:
        check_attention_resolutions([16, 4, 5], 32, levels=3, **NAMES)
    assert str(caught.value) == (
        "model unet: attn_resolutions: no level has 4, 5; on 32×32 the levels (channel_mult) have 32, 16, 8"
    )


class UNet(Config):
    attn_resolutions: tuple[int, ...] = (8,)


def test_attention_that_is_given_must_fit_and_the_default_need_not():
    check_unet(UNet(), DataSpec((1, 28, 28)), levels=2, **NAMES)
    check_unet(UNet(attn_resolutions=(14,)), DataSpec((1, 28, 28)), levels=2, **NAMES)
    with pytest.raises(UserError, match="attn_resolutions: no level has 8; "):
        check_unet(UNet(attn_resolutions=(8,)), DataSpec((1, 28, 28)), levels=2, **NAMES)


def test_a_unet_that_cannot_halve_the_images_is_refused_whatever_its_attention():
    with pytest.raises(UserError, match="need a size divisible by 8"):
        check_unet(UNet(), DataSpec((1, 28, 28)), levels=4, **NAMES)


def test_patches_are_channels_of_a_smaller_image():
    assert channels_and_side(DataSpec((1, 28, 28)), levels=2, patch=2, **NAMES) == (4, 14)
    with pytest.raises(UserError, match="on patches of 2×2 pixels need a size divisible by 8, and the images are 28×28"):
        channels_and_side(DataSpec((1, 28, 28)), levels=3, patch=2, **NAMES)
