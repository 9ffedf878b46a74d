"""One image: what is read as it is, and what is refused by name."""

import io

import numpy as np
import pytest
from PIL import Image

from harness import UserError
from harness.images import decode as module
from harness.images.decode import decode

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_pixels_come_out_as_they_were_written(form):
    grey, colour = decode(encoded(GREY, form), where="x"), decode(encoded(COLOUR, form), where="x")
    np.testing.assert_array_equal(grey.pixels, GREY[None])
    np.testing.assert_array_equal(colour.pixels, COLOUR.transpose(2, 0, 1))
    assert colour.form == form


def test_jpeg_and_webp_are_read_as_pillow_decodes_them():
    for form in ("JPEG", "WEBP"):
        content = encoded(COLOUR, form)
        expected = np.asarray(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(decode(content, where="x").pixels.transpose(1, 2, 0), expected)


def test_palettes_bits_and_opaque_alpha_are_what_they_look_like():
    palette = Image.fromarray(COLOUR).quantize(16)
    read = decode(encoded(palette), where="x").pixels
    np.testing.assert_array_equal(read.transpose(1, 2, 0), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(GREY > 20)
    np.testing.assert_array_equal(decode(encoded(bits), where="x").pixels[0], (GREY > 20) * 255)
    opaque = Image.fromarray(COLOUR).convert("RGBA")
    np.testing.assert_array_equal(decode(encoded(opaque), where="x").pixels, COLOUR.transpose(2, 0, 1))


def test_what_would_need_a_guess_is_refused():
    veiled = Image.fromarray(COLOUR).convert("RGBA")
    veiled.putpixel((0, 0), (1, 2, 3, 200))
    frames = io.BytesIO()
    first, *others = (Image.fromarray(np.roll(COLOUR, shift, 0)) for shift in range(3))
    first.save(frames, "TIFF", save_all=True, append_images=others)
    for content, message in (
        (encoded(veiled), "is transparent"),
        (encoded(GREY.astype(np.uint16) * 256), "has 16 bits a channel"),
        (encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"), "colours are CMYK"),
        (frames.getvalue(), "holds 3 frames"),
        (encoded(COLOUR, "GIF"), "damaged, or no image"),
    ):
        with pytest.raises(UserError, match=rf"^a/b\.png: .*{message}"):
            decode(content, where="a/b.png")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_damaged(share):
    content = encoded(COLOUR)
    with pytest.raises(UserError, match=r"^x\.png: damaged, or no image"):
        decode(content[: int(share * len(content))], where="x.png")


def test_every_flipped_byte_of_a_png_is_noticed():
    content = encoded(COLOUR)
    for place in range(8, len(content) - 12):  # what comes after the last pixel is the end's own mark
        damaged = bytearray(content)
        damaged[place] ^= 0x5A
        with pytest.raises(UserError, match=r"^x\.png: "):
            decode(bytes(damaged), where="x.png")


def test_a_header_that_declares_too_much_takes_no_memory(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_PIXELS", 47)
    with pytest.raises(UserError, match="declares 8x6 pixels"):
        decode(encoded(GREY), where="x")
