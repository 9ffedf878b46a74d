"""PPM, PGM and PBM files, binary and text, are one image each, with the values that they declare."""

import numpy as np
import pytest

from harness import UserError
from harness.images.decode import decode


def test_a_ppm_whose_largest_value_is_below_255_is_stretched():
    read = decode(b"P5 3 1 100\n" + bytes([0, 50, 100]), where="a").pixels
    np.testing.assert_array_equal(read[0], [[0, 128, 255]])
    np.testing.assert_array_equal(decode(b"P2 3 1 15\n0 1 15\n", where="a").pixels[0], [[0, 17, 255]])
    with pytest.raises(UserError, match=r"^a: damaged: it holds values above 100"):
        decode(b"P5 3 1 100\n" + bytes([0, 50, 101]), where="a")


@pytest.mark.parametrize(
    "single",
    [
        b"P5 3 1 255\n" + bytes([0, 50, 100]),
        b"P2 3 1 255\n0 50 100\n",
        b"P2 3 1 255 # grey\n0 50 # the second of three\n100\n",
        b"P3\n1 1\n255\n0 50 100\n\n",
        b"P1\n3 1\n1 01\n",
    ],
)
def test_a_ppm_that_holds_a_second_image_is_refused(single):
    assert decode(single, where="a").pixels.shape[-2:] in ((1, 3), (1, 1))
    with pytest.raises(UserError, match=r"^a: goes on after its pixels"):
        decode(single + single, where="a")


def test_a_text_that_takes_minutes_is_refused_at_once():
    with pytest.raises(UserError, match=r"^a: has more than 1,000 comments among its pixels"):
        decode(b"P2 1 1 255\n" + b"#\n" * 1_000_000 + b"7\n", where="a")
    with pytest.raises(UserError, match=r"^a: has 75,000,000 values as text, and more than 33,554,432 are not read; write it as"):
        decode(b"P3 5000 5000 255\n" + b"0 " * 100, where="a")


def test_values_and_comments_of_any_length_are_counted():
    values = b"".join(b"%03d " % (number % 256) for number in range(600_000))  # more than the bytes of one run
    content = b"P2 1000 600 255\n" + values[:7] + b"# " + bytes(2_000_000) + b"\n" + values[7:]
    assert decode(content, where="a").pixels.shape == (1, 600, 1000)
    with pytest.raises(UserError, match=r"^a: goes on after its pixels"):
        decode(content + b"1", where="a")
