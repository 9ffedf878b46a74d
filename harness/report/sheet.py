"""A sheet: the first images of a sample set in a grid, as the base64 text of a PNG, small enough to commit."""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.weights.tensor_rows import TensorRows

COLUMNS = 10
LINES = 4
LARGEST_PIXELS = 2**26
"""The largest number of pixels of a sheet that is read; 40 images of 1024x1024 have less."""
GAP = 1
"""White pixels between images."""


def sheet_of(x: Tensor | TensorRows, labels: Tensor | None) -> str:
    """Make a sheet. Of labelled images each class gets a column, in the order of the labels.

    With more classes than COLUMNS, or a class without an image, the first images are taken as they come.

    Args:
        x: (n, 1 or 3, H, W), bytes, or floats in [-1, 1]; values outside are clamped. Of a tensor in a file only the images of
            the sheet are read.
        labels: (n,) int64.
    Raises: harness.Diverged for values that are not finite.
    """
    import numpy as np
    from PIL import Image

    from harness.images.quantise import as_uint8

    chosen, columns = _chosen(labels, len(x))
    grid = _grid(as_uint8(x[chosen]).permute(0, 2, 3, 1).numpy(), columns)
    buffer = io.BytesIO()
    Image.fromarray(grid if grid.shape[2] == 3 else np.ascontiguousarray(grid[..., 0])).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def pixels(sheet: str) -> NDArray[np.uint8]:
    """Decode a sheet. Returns: (height, width, 3). Raises: ValueError for text that is no sheet."""
    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # LARGEST_PIXELS is below its limit
            with Image.open(io.BytesIO(base64.b64decode(sheet, validate=True)), formats=["PNG"]) as image:
                if image.width * image.height > LARGEST_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} pixels")
                return np.asarray(image.convert("RGB"))
    except Exception as error:  # a damaged file can make Pillow raise anything
        raise ValueError(f"no sheet of images: {error}") from None


def _chosen(labels: Tensor | None, n: int) -> tuple[list[int], int]:
    """Return the indices of the images to show, line by line, and how many images a line has."""
    classes = 0 if labels is None else int(labels.max()) + 1
    if labels is not None and 1 < classes <= COLUMNS:
        indices_of = [(labels == label).nonzero().flatten().tolist() for label in range(classes)]
        lines = min(LINES, min(map(len, indices_of)))
        if lines:
            return [indices_of[label][line] for line in range(lines) for label in range(classes)], classes
    return list(range(min(n, COLUMNS * LINES))), min(n, COLUMNS)


def _grid(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Place images, (n, H, W, C), line by line on white. Returns: (height, width, C)."""
    import numpy as np

    n, height, width, channels = images.shape
    lines = -(-n // columns)
    grid = np.full((lines * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + GAP), index % columns * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid
