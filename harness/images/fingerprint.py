"""One look at every image before any network sees one: faults come out first, and the set gets its name in caches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from harness.images.sets import ImageSet
from harness.process import stop

BATCH = 64


def fingerprint(images: ImageSet, on_progress: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256, hexadecimal, of the images' shape and pixels in their order: the same pixels in a folder, a zip or an array
    have the same one.

    Raises: UserError as the set's source does; ValueError when another number of images comes than was announced.
    """
    whole = hashlib.sha256(f"{images.shape}".encode())
    done = 0
    for batch in images.batches(BATCH):
        whole.update(batch.contiguous().numpy().data)
        done += len(batch)
        on_progress(done)
        stop.check()
    if done != images.n:
        raise ValueError(f"{images.name}: {images.n} images were announced, and {done} came")
    return whole.hexdigest()
