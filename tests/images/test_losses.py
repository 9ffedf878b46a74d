"""What Pillow would drop from an image in silence is refused, and what viewers would apply is named."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms
from raw_images import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, chunk, png, tiff

from harness import UserError
from harness.images.decode import decode
from harness.images.losses import GAMMA, PROFILE, TURNED

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
WORDS = bytes(range(48))  # a row of four pixels in three channels of 16 bits, and a rest


@pytest.mark.parametrize(("colour", "channels"), [(GREY, 1), (RGB, 3), (GREY_ALPHA, 2), (RGBA, 4)])
def test_a_png_of_16_bits_is_refused_whatever_its_colours(colour, channels):
    content = png([WORDS[: 8 * channels]] * 3, width=4, bits=16, colour=colour)
    with pytest.raises(UserError, match=r"^a\.png: has 16 bits a channel, and 8 are measured; write it with 8"):
        decode(content, where="a.png")


@pytest.mark.parametrize(
    "content",
    [
        tiff(WORDS[:24], width=2, height=2, bits=(16, 16, 16), photometric=2),
        tiff(WORDS[:32], width=2, height=2, bits=(16, 16, 16, 16), photometric=2, extra_samples=(2,)),
        tiff(WORDS[:8], width=2, height=2, bits=(16,), photometric=1),
        b"P6 2 2 65535\n" + WORDS[:24],
        b"P6 2 2 300\n" + bytes(24),
        b"P5 2 2 65535\n" + WORDS[:8],
        b"P3 2 1 1000\n0 1 2 3 4 1000\n",
    ],
    ids=["RGB TIFF", "RGBA TIFF", "grey TIFF", "P6", "P6 of 300", "P5", "P3"],
)
def test_other_formats_of_16_bits_are_refused(content):
    with pytest.raises(UserError, match=r"^a: has 16 bits a channel"):
        decode(content, where="a")


def test_a_channel_without_a_meaning_is_refused():
    content = tiff(bytes(range(16)), width=2, height=2, bits=(8, 8, 8, 8), photometric=2, extra_samples=(0,))
    with pytest.raises(UserError, match=r"^a: has 4 channels and does not say what the last one means"):
        decode(content, where="a")


@pytest.mark.parametrize(
    ("bits", "colour", "row", "there", "absent"),
    [
        (8, GREY, [1, 2, 3, 4], (3,), (9,)),
        (4, GREY, [0x12, 0x34], (3,), (9,)),
        (2, GREY, [0b00011010], (2,), (3,)),
        (1, GREY, [0b11110000], (1,), (0,)),
        (8, RGB, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 1, 1], (4, 5, 6), (4, 5, 3)),
    ],
)
def test_a_colour_that_a_png_declares_transparent_counts_where_a_pixel_has_it(bits, colour, row, there, absent):
    row = [0b11110000] if bits == 1 else row
    width = 4

    def content(transparent):
        extra = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
        return png([row], width=width, bits=bits, colour=colour, extra=extra)

    with pytest.raises(UserError, match=r"^a: is transparent"):
        decode(content(there), where="a")
    plain = decode(png([row], width=width, bits=bits, colour=colour), where="a")
    np.testing.assert_array_equal(decode(content(absent), where="a").pixels, plain.pixels)


def test_a_palette_is_transparent_only_where_a_pixel_is():
    palette = chunk(b"PLTE", bytes(range(9)))

    def content(alphas):
        return png([[0, 1, 1]], width=3, bits=8, colour=PALETTE, extra=palette + chunk(b"tRNS", bytes(alphas)))

    np.testing.assert_array_equal(decode(content([255, 255, 0]), where="a").pixels[:, 0, 1], [3, 4, 5])
    for alphas in ([255, 0, 255], [255, 128]):
        with pytest.raises(UserError, match=r"^a: is transparent"):
            decode(content(alphas), where="a")


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_refused_and_ycbcr_is_what_jpeg_means(form):
    def encoded(image, **options):
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    with pytest.raises(UserError, match=r"^a: its colours are CMYK"):
        decode(encoded(Image.fromarray(COLOUR).convert("CMYK")), where="a")
    if form == "TIFF":
        with pytest.raises(UserError, match=r"^a: its colours are (YCbCr|LAB)"):
            decode(encoded(Image.fromarray(COLOUR).convert("LAB")), where="a")


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_an_animation_is_refused(form):
    file = io.BytesIO()
    first, *others = (Image.fromarray(np.roll(COLOUR, shift, 0)) for shift in range(3))
    first.save(file, form, save_all=True, append_images=others, lossless=True)
    with pytest.raises(UserError, match=r"^a: holds 3 frames"):
        decode(file.getvalue(), where="a")


def test_what_viewers_would_apply_leaves_the_pixels_and_is_named():
    def read(**options):
        file = io.BytesIO()
        Image.fromarray(COLOUR).save(file, "PNG", **options)
        return decode(file.getvalue(), where="a")

    turned = Image.Exif()
    turned[0x0112] = 6
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for options, expected in (
        ({}, ()),
        ({"exif": turned}, (TURNED,)),
        ({"icc_profile": lab}, (PROFILE,)),
        ({"icc_profile": srgb}, ()),
    ):
        image = read(**options)
        assert image.unapplied == expected
        np.testing.assert_array_equal(image.pixels, COLOUR.transpose(2, 0, 1))
    for gamma, expected in ((45455, ()), (100000, (GAMMA,))):
        content = png([[1, 2, 3]], width=1, bits=8, colour=RGB, extra=chunk(b"gAMA", struct.pack(">I", gamma)))
        assert decode(content, where="a").unapplied == expected


def test_damaged_exif_does_not_make_an_image_damaged():
    content = png([[1, 2, 3]], width=1, bits=8, colour=RGB, extra=chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"))
    assert decode(content, where="a").unapplied == ()


def test_a_tiff_is_turned_as_it_says():
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "TIFF", tiffinfo={274: 6})
    image = decode(file.getvalue(), where="a")
    np.testing.assert_array_equal(image.pixels, np.rot90(COLOUR, -1).transpose(2, 0, 1))
    assert image.unapplied == ()
