"""Decoding of one image file to 8-bit grey or RGB. Images that cannot be converted without loss are refused, with the reason."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.errors import UserError
from harness.images.losses import check_bits_and_channels, unapplied, without_alpha

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    ".ppm": "PPM", ".pgm": "PPM",
}  # fmt: skip
"""Suffixes of image files, and Pillow's names of their formats. Files with other suffixes are no images."""
LARGEST_PIXELS = 2**25
"""The largest number of pixels of an image: 7680x4320 is less. The header declares the number, so a larger image is refused
before it takes memory. Decoding takes up to sixteen bytes a pixel."""
CONVERTED = {"CMYK", "YCbCr"}
"""Pillow's names of the colours of 8 bits a channel that become RGB where the caller asks for it."""


@dataclass(frozen=True)
class Decoded:
    """An image as it was decoded.

    Args:
        pixels: (C, H, W) uint8; C is 1 or 3.
        form: the name of the file's format, e.g. PNG.
        unapplied: properties that viewers would apply to the stored pixels, by the names in `harness.images.losses`.
    """

    pixels: NDArray[np.uint8]
    form: str
    unapplied: tuple[str, ...] = ()


def decode(content: bytes, *, where: str, to_rgb: bool = False) -> Decoded:
    """Return the image in a file's bytes. Grey stays grey, palette images become RGB, and what is opaque loses its alpha.

    Args: to_rgb: whether colours other than grey become RGB too, by Pillow's conversion, as in a set of photographs in CMYK.
    Raises: UserError, beginning with `where`, for a damaged file, several frames, more than 8 bits a channel, colours other
    than grey and RGB, transparency, channels without a meaning, or more than LARGEST_PIXELS.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # LARGEST_PIXELS is below its limit
            with Image.open(io.BytesIO(content), formats=sorted(set(FORMATS.values()))) as image:
                _check(image, where)
                bits = check_bits_and_channels(image, content, where=where)
                form = str(image.format)
                if form == "PNG":
                    # Decoding ignores the checksums of the pixels; `verify` reads them.
                    with Image.open(io.BytesIO(content), formats=["PNG"]) as unread:
                        unread.verify()
                return Decoded(_pixels(image, bits, where, to_rgb), form, unapplied(image))
    except (UserError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{where}: damaged, or no image: it begins as no known format does") from error
    except Exception as error:  # damaged bytes can make decoders raise anything
        raise UserError(f"{where}: damaged, or no image: {str(error) or type(error).__name__}") from error


def _check(image: Image.Image, where: str) -> None:
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise UserError(f"{where}: declares {width}x{height} pixels; more than {LARGEST_PIXELS:,} are not read")
    frames: int = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UserError(f"{where}: holds {frames} frames; write each as an image of its own")


def _pixels(encoded: Image.Image, bits: int, where: str, to_rgb: bool) -> NDArray[np.uint8]:
    """Return (C, H, W) uint8 of an image in any mode that means 8-bit grey or RGB."""
    encoded.load()
    image = without_alpha(encoded, bits, where=where)
    if to_rgb and image.mode in CONVERTED:
        image = image.convert("RGB")
    if image.mode not in ("L", "RGB"):
        raise UserError(f"{where}: its colours are {image.mode}, in Pillow's words; what is measured is grey or RGB")
    array = np.asarray(image, np.uint8)
    return array[None] if image.mode == "L" else np.ascontiguousarray(array.transpose(2, 0, 1))
