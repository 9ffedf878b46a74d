"""Stores that `harness import` wrote as sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from harness.images.sets import ImageSet, images_at_once
from harness.images.stores.index import INDEX
from harness.images.stores.reading import open_store
from harness.measure.image_source import ImageSource, identified_by_pixels


def is_store(folder: Path) -> bool:
    """Return whether a folder is a store, or what remains of one."""
    return (folder / INDEX).is_file() and next(folder.glob("images-*.npy"), None) is not None


def store_source(folder: Path) -> ImageSource:
    """Return all images of a store as a source. Raises: UserError where the store is damaged."""
    store = open_store(folder)

    def batches(size: int) -> Iterator[Tensor]:
        count = images_at_once(size, store.shape)
        for start in range(0, len(store), count):
            yield torch.from_numpy(store.read(np.arange(start, min(start + count, len(store)))))

    images = ImageSet(str(folder), len(store), store.shape, batches)
    return ImageSource(
        str(folder), "store", images, identified_by_pixels(images), notes=tuple(_notes(folder, store.index.skipped))
    )


def _notes(folder: Path, skipped: tuple[str, ...]) -> Iterator[str]:
    if skipped:
        yield f"{folder}: {len(skipped)} damaged images were left out when the store was made"
