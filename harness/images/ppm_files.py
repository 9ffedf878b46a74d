"""Checks of PPM, PGM and PBM files, binary or text, before Pillow decodes them: bits, values, and what follows the pixels."""

from __future__ import annotations

import re

import numpy as np
from PIL import ImageFile

from harness.errors import UserError

_LARGEST_TEXT = 2**25
"""The largest number of values in a file that is text. Pillow reads three million in a second."""
_MOST_COMMENTS = 1000
"""The largest number of comments among the values of a file that is text. Pillow's time grows with their square."""
_RUN = re.compile(rb"#[^\r\n]*[\r\n]?|([^#]{1,1048576})")
"""A comment, as Pillow leaves it out, or a run of values and white space, which is short enough to be copied."""
_IS_TEXT = ~np.isin(np.arange(256), list(b" \t\n\v\f\r"))
"""(256,) whether a byte belongs to a value: all others are white space."""


def check_ppm(image: ImageFile.ImageFile, content: bytes, where: str) -> int:
    """Return the bits a channel of a PPM file, which is open and not yet decoded.

    Its largest value may be any number: below 255, Pillow stretches values to bytes.
    Raises: UserError, beginning with `where`, for a file that goes on after its pixels, for values above the largest that it
    declares, and for a text that takes Pillow minutes.
    """
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
        is_longer = _is_longer_text(content, tile.offset, values, where)
    else:
        size = (width + 7) // 8 * height if content[:2] == b"P4" else values
        pixels, is_longer = content[tile.offset : tile.offset + size], len(content) > tile.offset + size
        if largest < 255 and not is_longer and max(pixels, default=0) > largest:
            raise UserError(f"{where}: damaged: it holds values above {largest}, the largest that it declares")
    if is_longer:
        raise UserError(f"{where}: goes on after its pixels; a file holds one image, so write each as a file of its own")
    return 8


def _is_longer_text(content: bytes, start: int, values: int, where: str) -> bool:
    """Return whether a file that is text holds more values than its image has, comments left out.

    Args:
        start: the place of the first value.
    Raises: UserError, beginning with `where`, for more values or comments than Pillow reads in seconds.
    """
    if values > _LARGEST_TEXT:
        raise UserError(
            f"{where}: has {values:,} values as text, and more than {_LARGEST_TEXT:,} are not read; write it as binary"
        )
    if content.count(b"#", start) > _MOST_COMMENTS:
        raise UserError(f"{where}: has more than {_MOST_COMMENTS:,} comments among its pixels; write it without them")
    count, is_in_value = 0, False
    for run in _RUN.finditer(content, start):
        if count <= values and run[1]:
            is_text = _IS_TEXT[np.frombuffer(run[1], np.uint8)]
            begins = is_text & ~np.concatenate(([is_in_value], is_text[:-1]))
            # Each digit of a PBM file is a value, with or without white space between them.
            count += int(np.count_nonzero(is_text if content[:2] == b"P1" else begins))
            is_in_value = bool(is_text[-1])
    return count > values
