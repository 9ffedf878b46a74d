"""The rules that bring images to one size, each as the code that published results does it. They work on 8-bit grey and RGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import UserError

BICUBIC, BILINEAR, BOX, LANCZOS = (
    Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.LANCZOS,
)  # fmt: skip
CELEBA_TOP, CELEBA_LEFT, CELEBA_SIDE = 57, 25, 128
"""The square that DDIM cuts out of CelebA's aligned images of 178x218: 64 pixels on each side of row 121 and column 89."""
CELEBA_ALIGNED = (178, 218)
"""Width and height of CelebA's aligned images."""


def center_crop(image: Image.Image, size: int) -> Image.Image:
    """Return the largest square in the middle, resized by Lanczos. Source: `center-crop` of EDM's dataset_tool.py."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), LANCZOS)


def center_crop_dhariwal(image: Image.Image, size: int) -> Image.Image:
    """Return the square in the middle of the image, whose shorter side is first brought to `size`: halved by boxes while it is at
    least twice as long, then resized by a bicubic filter.

    Source: ADM's image_datasets.py; `center-crop-dhariwal` of the dataset_tool.py of EDM and EDM2.
    """
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), BOX)
    scale = size / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), BICUBIC)
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def celeba_ddim(image: Image.Image, size: int) -> Image.Image:
    """Return the square that DDIM cuts out of an aligned image of CelebA, resized by a bilinear filter.

    Raises: UserError for an image that has not the size of the aligned ones. Source: DDIM's datasets/__init__.py.
    """
    if image.size != CELEBA_ALIGNED:
        raise UserError(
            f"is {image.width}x{image.height}, and the rule celeba-ddim is for the aligned images of CelebA, which are "
            f"{CELEBA_ALIGNED[0]}x{CELEBA_ALIGNED[1]}"
        )
    right, bottom = CELEBA_LEFT + CELEBA_SIDE, CELEBA_TOP + CELEBA_SIDE
    return image.crop((CELEBA_LEFT, CELEBA_TOP, right, bottom)).resize((size, size), BILINEAR)


RULES: Mapping[str, Callable[[Image.Image, int], Image.Image]] = {
    "center-crop": center_crop,
    "center-crop-dhariwal": center_crop_dhariwal,
    "celeba-ddim": celeba_ddim,
}
"""The rules that need a size. The rule `none` leaves images as they are."""
NONE = "none"


def resized(pixels: NDArray[np.uint8], rule: str, size: int) -> NDArray[np.uint8]:
    """Return an image (C, H, W) after a rule of RULES, (C, size, size). Raises: UserError where the rule is not for the image."""
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    array = np.asarray(RULES[rule](picture, size), np.uint8)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
