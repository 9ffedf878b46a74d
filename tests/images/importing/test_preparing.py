"""One image as the store holds it: channels, sizes, and what is refused."""

import io

import numpy as np
import pytest
import raw_images
from image_archives import channels_first, encoded, photos
from PIL import Image

from harness import UserError
from harness.images.importing.preparing import Preparation

COLOUR, GREY = photos(1, 20, 24)[0], photos(1, 20, 24, 1)[0]


def test_an_image_stays_as_it_is_unless_something_is_asked_for():
    for image in (COLOUR, GREY):
        pixels, unapplied = Preparation().apply(encoded(image), "a")
        assert np.array_equal(pixels, channels_first(image[None])[0])
        assert unapplied == ()


def test_grey_becomes_three_equal_channels_where_colour_is_asked_for():
    pixels, _ = Preparation(channels=3).apply(encoded(GREY), "a")
    assert np.array_equal(pixels, np.stack([GREY] * 3))
    assert np.array_equal(Preparation(channels=3).apply(GREY[None], "a")[0], pixels)


def test_cmyk_becomes_rgb_as_adms_code_converts_it():
    content = encoded(COLOUR, "JPEG", mode="CMYK")
    with pytest.raises(UserError, match=r"a: its colours are CMYK"):
        Preparation().apply(content, "a")
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(Preparation(channels=3).apply(content, "a")[0], expected.transpose(2, 0, 1))


def test_a_rule_brings_files_and_arrays_to_the_size():
    preparation = Preparation("center-crop", 8)
    from_file, _ = preparation.apply(encoded(COLOUR), "a")
    assert from_file.shape == (3, 8, 8)
    assert np.array_equal(preparation.apply(channels_first(COLOUR[None])[0], "a")[0], from_file)


def test_an_image_that_would_lose_something_is_refused():
    sixteen = raw_images.png([bytes(8)] * 2, width=4, bits=16, colour=raw_images.GREY)
    with pytest.raises(UserError, match=r"a: has 16 bits a channel"):
        Preparation(channels=3).apply(sixteen, "a")
    with pytest.raises(UserError, match=r"a: is transparent"):
        Preparation(channels=3).apply(encoded(photos(1, 4, 4, 4)[0]), "a")
    with pytest.raises(UserError, match=r"a: is 24x20, and the rule celeba-ddim"):
        Preparation("celeba-ddim", 8).apply(encoded(COLOUR), "a")


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        (Preparation("crop", 8), "--resize crop: there is no such rule; there are none, center-crop"),
        (Preparation("none", 8), "--size 8: say by which rule with --resize"),
        (Preparation("center-crop"), "--resize center-crop: say to which size"),
    ],
)
def test_rule_and_size_go_together(preparation, message):
    with pytest.raises(UserError, match=message):
        preparation.check()
