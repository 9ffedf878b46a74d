"""Arrays of images in .npz and .npy files as sources."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.images import arrays
from harness.images.importing.image_file_sources import FOLDER_LABELS, NO_LABELS
from harness.images.importing.labelled import Labels, numbered
from harness.images.importing.labels import read_labels
from harness.images.importing.source import ALL, Source, SourceImage
from harness.images.sets import ImageSet

LABEL_NAMES = ("labels", "label", "y", "arr_1")
"""Names of arrays in an .npz that may be its labels. `arr_1` is that of ADM's reference batches."""
LARGEST_LABELS = 2**30
AT_ONCE = 64


def of_array(path: Path, labels: str | None, value_range: str | None) -> Source:
    """Return the images of an .npz or .npy file.

    Args:
        labels: None for the labels in the file, where it has some; "none"; or the path of a file of labels.
        value_range: what floats mean, a key of `harness.images.arrays.RANGES`.
    Raises: UserError like `harness.images.arrays.images`, and for labels that do not fit.
    """
    images = arrays.images(path, value_range)
    classes, numbers = _labels(path, images.n, labels)
    form = f"an array of images{'' if numbers is None else ' with labels'}"
    facts = path.stat()
    listing = f"{images.n} {images.shape} {value_range} {facts.st_size} {facts.st_mtime_ns}"
    return Source(str(path), form, ((ALL, images.n),), classes, numbers, lambda start: _images(images, start), listing)


def _images(images: ImageSet, start: int) -> Iterator[SourceImage]:
    number = 0
    for batch in images.batches(AT_ONCE):
        for pixels in batch.numpy():
            if number >= start:
                yield SourceImage(f"image {number}", partial(_itself, pixels))
            number += 1


def _itself(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


def _labels(path: Path, n: int, labels: str | None) -> Labels:
    if labels == FOLDER_LABELS:
        raise UserError(f"{path}: --labels folders: an array has no folders")
    if labels == NO_LABELS:
        return (), None
    if labels is not None:
        return numbered(read_labels(Path(labels)).of([str(number) for number in range(n)]), (), labels)
    stored = arrays.stored(path)
    name = next((name for name in LABEL_NAMES if name in stored and stored[name].shape in ((n,), (n, 1))), None)
    if name is None:
        return (), None
    if stored[name].dtype.kind not in "iu":
        raise UserError(f"{stored[name].name}: {stored[name].dtype} values; labels are whole numbers")
    values = stored[name].read(largest=LARGEST_LABELS).reshape(-1).astype(np.int64)
    return numbered(values.tolist(), (), stored[name].name)
