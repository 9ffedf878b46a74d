"""Refusal of image files that would lose something in silence as 8-bit grey or RGB: bits, channels, transparency. Properties that
leave the stored pixels as they are, such as a colour profile, are named instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from harness.errors import UserError

PROFILE, GAMMA, TURNED = "a colour profile other than sRGB", "a gamma other than sRGB's", "an EXIF orientation"
"""Properties that viewers apply and that tools which measure images do not: the stored pixels are what is measured."""
_SRGB_GAMMA = 0.45455
_SRGB_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))
"""The name of the sRGB profile as version 2 and version 4 of ICC's format write it."""
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
"""A comment among the values of a PPM file in ASCII, as Pillow leaves it out."""
_IS_TEXT = ~np.isin(np.arange(256), list(b" \t\n\v\f\r"))
"""(256,) whether a byte of a PPM file in ASCII belongs to a value: all others are white space."""


def check_bits_and_channels(image: ImageFile.ImageFile, content: bytes, *, where: str) -> int:
    """Check the header of an image that is open and not yet decoded.

    Args:
        content: the bytes of the file.
    Returns: the bits a channel, at most 8. Raises: UserError, beginning with `where`, for more bits, for channels without a
    meaning, and for a PPM file, binary or written as text, that goes on after its pixels.
    """
    bits, channels = 8, len(image.getbands())
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = max(_whole_numbers(image, TiffImagePlugin.BITSPERSAMPLE), default=1)
        channels = max(_whole_numbers(image, TiffImagePlugin.SAMPLESPERPIXEL), default=1)
    elif image.format == "PNG":
        bits = _png_bits(image)
    elif image.format == "PPM":
        bits = _check_ppm(image, content, where)
    if bits > 8:
        raise UserError(f"{where}: has {bits} bits a channel, and 8 are measured; write it with 8, rounded as you mean it")
    if channels > len(image.getbands()):
        raise UserError(f"{where}: has {channels} channels and does not say what the last one means; write it as grey or RGB")
    return bits


def _png_bits(image: ImageFile.ImageFile) -> int:
    """The bits a channel, from Pillow's name of the packing: `RGB`, `RGB;16B`, `L;4`."""
    for tile in image.tile:
        _, separator, bits = str(tile.args).partition(";")
        if separator and (digits := re.match(r"\d+", bits)):
            return int(digits[0])
    return 8


def _whole_numbers(image: TiffImagePlugin.TiffImageFile, tag: int) -> Sequence[int]:
    value = image.tag_v2.get(tag, ())
    return [number for number in (value if isinstance(value, tuple) else (value,)) if isinstance(number, int)]


def _check_ppm(image: ImageFile.ImageFile, content: bytes, where: str) -> int:
    """Return the bits a channel of a PPM file. Its largest value may be any number: below 255, values are stretched to bytes."""
    tile = image.tile[0]
    declared = tile.args[-1] if isinstance(tile.args, tuple) else 65535 if ";16" in str(tile.args) else 255
    largest = declared if isinstance(declared, int) else 255
    if largest > 255:
        return 16
    if image.mode == "F":
        return 8  # `decode` refuses floats, whatever follows them
    width, height = image.size
    values = width * height * len(image.getbands())
    if content[:2] in (b"P1", b"P2", b"P3"):
        is_longer = _count_of_texts(content[tile.offset :], are_digits=content[:2] == b"P1") > values
    else:
        size = (width + 7) // 8 * height if content[:2] == b"P4" else values
        pixels, is_longer = content[tile.offset : tile.offset + size], len(content) > tile.offset + size
        if largest < 255 and not is_longer and max(pixels, default=0) > largest:
            raise UserError(f"{where}: damaged: it holds values above {largest}, the largest that it declares")
    if is_longer:
        raise UserError(f"{where}: goes on after its pixels; a file holds one image, so write each as a file of its own")
    return 8


def _count_of_texts(body: bytes, *, are_digits: bool) -> int:
    """Return how many values a body in ASCII holds, without comments. are_digits: each digit is a value, as in PBM files."""
    # An array takes a byte for each byte of the file; a list of the values would take fifty.
    is_text = _IS_TEXT[np.frombuffer(_COMMENT.sub(b"", body), np.uint8)]
    if are_digits:
        return int(np.count_nonzero(is_text))
    return int(np.count_nonzero(is_text[1:] & ~is_text[:-1]) + np.count_nonzero(is_text[:1]))


def without_alpha(image: Image.Image, bits: int, *, where: str) -> Image.Image:
    """Return a decoded image without its opaque alpha channel: a palette becomes RGB, and one bit becomes a byte.

    Args:
        bits: bits a channel in the file.
    Raises: UserError, beginning with `where`, for an image of which any pixel is transparent.
    """
    transparent = image.info.get("transparency")
    if image.mode == "P":
        image, transparent = image.convert("RGB" if transparent is None else "RGBA"), None
    elif image.mode == "1":
        image = image.convert("L")
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise _transparency(where)
        return image.convert("L" if image.mode == "LA" else "RGB")
    if transparent is not None and _has_colour(image, transparent, bits):
        raise _transparency(where)
    return image


def _has_colour(image: Image.Image, colour: object, bits: int) -> bool:
    """Whether any pixel of an image in grey or RGB has the colour that its PNG declares transparent, in the file's own bits."""
    # Pillow stretches pixels of 2 and 4 bits to bytes and leaves the declared colour as it is; of 1 bit it stretches both.
    stretch = 255 // (2**bits - 1) if bits in (2, 4) else 1
    declared = [int(value) * stretch for value in (colour if isinstance(colour, tuple) else (colour,))]
    return bool((np.atleast_3d(np.asarray(image)) == declared).all(-1).any())


def _transparency(where: str) -> UserError:
    return UserError(f"{where}: is transparent, and nothing says what is behind it; write it without alpha")


def unapplied(image: Image.Image) -> tuple[str, ...]:
    """Return the properties of an image that leave its stored pixels as they are and that viewers apply, by name."""
    found = []
    profile, gamma = image.info.get("icc_profile"), image.info.get("gamma")
    if isinstance(profile, bytes) and not any(name in profile for name in _SRGB_NAMES):
        found.append(PROFILE)
    if isinstance(gamma, float) and abs(gamma - _SRGB_GAMMA) > 0.001 and not profile and "srgb" not in image.info:
        found.append(GAMMA)
    if image.format != "TIFF" and _orientation(image) != 1:  # Pillow turns a TIFF file itself
        found.append(TURNED)
    return tuple(found)


def _orientation(image: Image.Image) -> object:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF can raise anything, and says nothing about the pixels
        return 1
