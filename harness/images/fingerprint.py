"""The fingerprint of a set of images. It reads every image once, so that damaged images are found before any network runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from harness.images.sets import ImageSet
from harness.process import stop

BATCH = 64


def fingerprint(images: ImageSet, on_progress: Callable[[int], None] = lambda _: None) -> str:
    """Return the sha256, as 64 hex digits, over the images' shape and over their pixels in order.

    The fingerprint does not depend on whether the images are in a folder, a zip archive or an array.

    Args:
        on_progress: called after each batch with the number of images read so far.
    Raises: UserError for an image that the set cannot read; ValueError when the set yields another number of images than its n;
    Interrupted when a stop was requested.
    """
    pixels = hashlib.sha256(f"{images.shape}".encode())
    count = 0
    for batch in images.batches(BATCH):
        pixels.update(batch.contiguous().numpy().data)
        count += len(batch)
        on_progress(count)
        stop.check()
    if count != images.n:
        raise ValueError(f"{images.name}: {images.n} images were announced, and {count} came")
    return pixels.hexdigest()
