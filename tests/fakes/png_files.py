"""PNG files in numbers."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageColor


def decoded(png: bytes):
    """Return the pixels of a PNG, (height, width, 3) uint8."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def metadata(png: bytes):
    """Return the text entries of a PNG."""
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return dict(image.info)


def shows(picture, colour: str, *, least: int = 20) -> bool:
    """Return whether a picture has at least so many pixels of exactly this colour, `#0072B2` or `black`."""
    return int((picture == ImageColor.getrgb(colour)).all(axis=-1).sum()) >= least


def ink(picture) -> float:
    """Return the part of the pixels that are not white."""
    return float((picture != 255).any(axis=-1).mean())
