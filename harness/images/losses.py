"""Refusal of image files that would lose something in silence as 8-bit grey or RGB: bits, channels, transparency. Properties that
leave the stored pixels as they are, such as a colour profile, are named instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from harness.errors import UserError
from harness.images.ppm_files import check_ppm

PROFILE, GAMMA, TURNED = "a colour profile other than sRGB", "a gamma other than sRGB's", "an EXIF orientation"
"""Properties that viewers apply and that tools which measure images do not: the stored pixels are what is measured."""
_SRGB_GAMMA = 0.45455
_SRGB_NAMES = (b"sRGB", "sRGB".encode("utf-16-be"))
"""The name of the sRGB profile as version 2 and version 4 of ICC's format write it."""


def check_bits_and_channels(image: ImageFile.ImageFile, content: bytes, *, where: str) -> int:
    """Check the header of an image that is open and not yet decoded.

    Args:
        content: the bytes of the file.
    Returns: the bits a channel, at most 8. Raises: UserError, beginning with `where`, for more bits, for channels without a
    meaning, and for a PPM file that `check_ppm` refuses.
    """
    bits, channels = 8, len(image.getbands())
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = max(_whole_numbers(image, TiffImagePlugin.BITSPERSAMPLE), default=1)
        channels = max(_whole_numbers(image, TiffImagePlugin.SAMPLESPERPIXEL), default=1)
    elif image.format == "PNG":
        bits = _png_bits(image)
    elif image.format == "PPM":
        bits = check_ppm(image, content, where)
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
