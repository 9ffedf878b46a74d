"""One image file to bytes: what Pillow reads without a loss or a guess, and a named refusal of the rest."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.errors import UserError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF",
    ".ppm": "PPM", ".pgm": "PPM",
}  # fmt: skip
"""Suffixes of images, and Pillow's names of their formats; other files beside images are no images."""
LARGEST_PIXELS = 2**26
"""Of one image: more is a mistake or an attack, and its header says so before any memory is taken."""


@dataclass(frozen=True)
class Decoded:
    """One image.

    Args:
        pixels: (C, H, W) uint8; C is 1 or 3.
        form: its format, e.g. PNG.
    """

    pixels: NDArray[np.uint8]
    form: str


def decode(content: bytes, *, where: str) -> Decoded:
    """An image out of a file's bytes. Grey and colour stay as they are, palettes become colour, opaque alpha is left out.

    Raises: UserError, beginning with `where`, for a damaged file, several frames, more than 8 bits a channel, other colours
    than grey and RGB, transparency, or more than LARGEST_PIXELS.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its limit is above the one below
            with Image.open(io.BytesIO(content), formats=sorted(set(FORMATS.values()))) as image:
                _check(image, where)
                form = str(image.format)
                if form == "PNG":
                    # The decoder passes over the checksums of pixels; this reads them.
                    with Image.open(io.BytesIO(content), formats=["PNG"]) as again:
                        again.verify()
                return Decoded(_pixels(image, where), form)
    except (UserError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{where}: damaged, or no image: it begins as no known format does") from error
    except Exception as error:  # decoders raise whatever the bytes of a damaged file lead them to
        raise UserError(f"{where}: damaged, or no image: {str(error) or type(error).__name__}") from error


def _check(image: Image.Image, where: str) -> None:
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise UserError(f"{where}: declares {width}x{height} pixels; more than {LARGEST_PIXELS:,} are not read")
    if getattr(image, "n_frames", 1) > 1:
        raise UserError(f"{where}: holds {image.n_frames} frames; write each as an image of its own")  # type: ignore[attr-defined]


def _pixels(image: Image.Image, where: str) -> NDArray[np.uint8]:
    if image.mode == "1":
        image = image.convert("L")
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("LA", "RGBA"):
        if image.getchannel("A").getextrema() != (255, 255):
            raise UserError(f"{where}: is transparent, and nothing says what is behind it; write it without alpha")
        image = image.convert("L" if image.mode == "LA" else "RGB")
    if image.mode not in ("L", "RGB"):
        raise UserError(f"{where}: is of Pillow's mode {image.mode!r}; what is measured has 8 bits a channel, grey or RGB")
    array = np.asarray(image, np.uint8)
    return array[None] if image.mode == "L" else np.ascontiguousarray(array.transpose(2, 0, 1))
