"""A sheet of the first images of a set, small enough to commit: a PNG as text."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

COLUMNS = 10
LINES = 4
GAP = 1
"""Pixels between images, white."""


def sheet_of(x: Tensor, labels: Tensor | None) -> str:
    """Base64 of a PNG with the first images; with labels, column by column of one class each, in their order.

    x: (n, 1 or 3, H, W) in [-1, 1], values outside are clamped; labels: (n,) int64. With more classes than columns the
    first images are taken as they come. Raises: harness.Diverged for values that are not finite.
    """
    import numpy as np
    from PIL import Image

    from harness.images.quantise import to_uint8

    chosen, columns = _chosen(labels, len(x))
    pasted = _pasted(to_uint8(x[chosen]).permute(0, 2, 3, 1).numpy(), columns)
    buffer = io.BytesIO()
    Image.fromarray(pasted if pasted.shape[2] == 3 else np.ascontiguousarray(pasted[..., 0])).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(sheet: str) -> NDArray[np.uint8]:
    """(height, width, 3) of a sheet. Raises: ValueError for text that is none."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(base64.b64decode(sheet, validate=True))) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"no sheet of images: {error}") from None


def _chosen(labels: Tensor | None, n: int) -> tuple[list[int], int]:
    """Which images, line by line, and how many a line has."""
    classes = 0 if labels is None else int(labels.max()) + 1
    if labels is not None and 1 < classes <= COLUMNS:
        of_class = [(labels == label).nonzero().flatten().tolist() for label in range(classes)]
        lines = min(LINES, min(map(len, of_class)))
        if lines:
            return [of_class[label][line] for line in range(lines) for label in range(classes)], classes
    return list(range(min(n, COLUMNS * LINES))), min(n, COLUMNS)


def _pasted(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    import numpy as np

    n, height, width, channels = images.shape
    lines = -(-n // columns)
    sheet = np.full((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * (height + GAP), place % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
