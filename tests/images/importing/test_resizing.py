"""The rules of resizing, each against a second implementation: the published code, written down by hand with Pillow and NumPy."""

import numpy as np
import pytest
from image_archives import photos
from PIL import Image

from harness import UserError
from harness.images.importing import resizing

SIZES = [(64, 64), (40, 70), (71, 33), (130, 135), (257, 200), (20, 31), (16, 16)]
"""Heights and widths: equal, odd, to halve once and more often, and smaller than what they become."""


def edm_center_crop(img, size):
    """`center_crop` of EDM's dataset_tool.py on (height, width, 3)."""
    crop = np.min(img.shape[:2])
    rows = slice((img.shape[0] - crop) // 2, (img.shape[0] + crop) // 2)
    columns = slice((img.shape[1] - crop) // 2, (img.shape[1] + crop) // 2)
    return np.array(Image.fromarray(img[rows, columns]).resize((size, size), Image.Resampling.LANCZOS))


def adm_center_crop(img, size):
    """`center_crop_arr` of ADM's image_datasets.py on (height, width, 3)."""
    pil_image = Image.fromarray(img)
    while min(*pil_image.size) >= 2 * size:
        pil_image = pil_image.resize((pil_image.width // 2, pil_image.height // 2), resample=Image.Resampling.BOX)
    scale = size / min(*pil_image.size)
    pil_image = pil_image.resize(
        (round(pil_image.width * scale), round(pil_image.height * scale)), resample=Image.Resampling.BICUBIC
    )
    arr = np.array(pil_image)
    crop_y, crop_x = (arr.shape[0] - size) // 2, (arr.shape[1] - size) // 2
    return arr[crop_y : crop_y + size, crop_x : crop_x + size]


def ddim_celeba(img, size):
    """The transforms of CelebA in DDIM's datasets/__init__.py on (218, 178, 3): a crop around row 121 and column 89."""
    cx, cy = 89, 121
    cropped = img[cy - 64 : cy + 64, cx - 64 : cx + 64]
    return np.array(Image.fromarray(cropped).resize((size, size), Image.Resampling.BILINEAR))


def by_rule(img, rule, size):
    first = img[None] if img.ndim == 2 else img.transpose(2, 0, 1)
    done = resizing.resized(first, rule, size)
    assert done.flags.c_contiguous
    return done[0] if img.ndim == 2 else done.transpose(1, 2, 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(
    ("rule", "by_hand"), [("center-crop", edm_center_crop), ("center-crop-dhariwal", adm_center_crop)], ids=["edm", "adm"]
)
def test_a_rule_gives_the_pixels_of_the_published_code(rule, by_hand, height, width, channels):
    for size in (16, 32):
        img = photos(1, height, width, channels)[0]
        assert np.array_equal(by_rule(img, rule, size), by_hand(img, size))


def test_celebas_crop_gives_the_pixels_of_ddims_code():
    img = photos(1, 218, 178)[0]
    assert np.array_equal(by_rule(img, "celeba-ddim", 64), ddim_celeba(img, 64))
    # 128 pixels stay as they are: the square is rows 57 to 184 and columns 25 to 152.
    assert np.array_equal(by_rule(img, "celeba-ddim", 128), img[57:185, 25:153])


def test_celebas_crop_is_for_celebas_aligned_images():
    with pytest.raises(UserError, match=r"is 64x64, and the rule celeba-ddim is for the aligned images of CelebA, .* 178x218"):
        by_rule(photos(1, 64, 64)[0], "celeba-ddim", 64)


@pytest.mark.parametrize("rule", ["center-crop", "center-crop-dhariwal"])
def test_an_image_of_the_size_stays_as_it_is(rule):
    img = photos(1, 32, 32)[0]
    assert np.array_equal(by_rule(img, rule, 32), img)
