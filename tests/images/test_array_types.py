"""Advice for arrays of other types: what it says to write gives the images that the values mean."""

import re

import numpy as np
import pytest

from harness import UserError
from harness.images import arrays

BYTES = np.random.default_rng(0).integers(0, 256, (70, 4, 5, 3), dtype=np.uint8)
BYTES[0, 0, 0], BYTES[-1, 0, 0] = 0, 255
MASKS = BYTES > 100


def advised(path, array):
    """The message for an array, and what it says to write."""
    np.save(path, array)
    with pytest.raises(UserError) as error:
        arrays.images(path)
    return str(error.value), re.findall(r"\S*(?:x\.astype|numpy\.round).*?numpy\.uint8\)(?: \* 255)?", str(error.value))


@pytest.mark.parametrize(
    ("array", "expected", "message"),
    [
        (MASKS, MASKS * np.uint8(255), "bool values; write them as bytes of 0 and 255"),
        (MASKS.astype(np.int64), MASKS * np.uint8(255), r"int64 values; they are in \[0, 1\]; if 1 is white"),
        (BYTES.astype(np.int64), BYTES, r"int64 values; they are in \[0, 255\], so"),
        (BYTES.astype(np.uint16), BYTES, r"uint16 values; they are in \[0, 255\], so"),
        (
            BYTES.astype(np.uint16) * 257,
            BYTES,
            r"uint16 values; they are in \[0, 65535\], and bytes would wrap; if 65535 is white",
        ),
    ],
    ids=["bool", "0 and 1", "bytes in int64", "bytes in uint16", "16 bits"],
)
def test_the_advice_gives_the_images(tmp_path, array, expected, message):
    text, written = advised(tmp_path / "x.npy", array)
    assert re.search(message, text)
    image = eval(written[0], {"x": array, "numpy": np})
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == np.uint8


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 4095), (0, 2**40)])
def test_other_ranges_ask_for_black_and_white(tmp_path, low, high):
    array = np.where(MASKS, high, low).astype(np.int64)
    text, written = advised(tmp_path / "x.npy", array)
    assert f"they are in [{low}, {high}], and bytes would wrap; if BLACK and WHITE are what they mean" in text
    image = eval(written[0], {"x": array, "numpy": np, "BLACK": low, "WHITE": high})
    np.testing.assert_array_equal(image, MASKS * np.uint8(255))


def test_types_without_a_range_are_named(tmp_path):
    assert advised(tmp_path / "x.npy", BYTES.astype(complex))[0].endswith(
        "complex128 values; images are uint8, or floats with --range"
    )
