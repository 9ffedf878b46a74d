"""The check that images of a store are those that were imported: each is compared with its hash when it is first read.

The fingerprint of a dataset, and with it every key, is made of these hashes. An image that was changed in its file would be
trained on under the key of the image that it was.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.images.stores.index import digests_of


class RowChecks:
    """Which images of a store this process has compared with their hashes. Another process begins anew.

    Args:
        images: number of images of the store.
        digests: returns the sha256 of each image's bytes, (images, 32) uint8. It is called when the first image is read.
    """

    def __init__(self, images: int, digests: Callable[[], NDArray[np.uint8]]) -> None:
        self._images, self._read_digests = images, digests
        self._digests: NDArray[np.uint8] | None = None
        self._is_checked = np.zeros(images, bool)

    def __reduce__(self) -> tuple[type[RowChecks], tuple[int, Callable[[], NDArray[np.uint8]]]]:
        return RowChecks, (self._images, self._read_digests)

    def first_changed(self, rows: NDArray[np.int64], images: NDArray[np.uint8]) -> int | None:
        """Return the first of these rows whose image is not the imported one; None where all are.

        Args:
            rows: (B,), numbers of images of the store. images: (B, C, H, W), as they were read.
        """
        new = np.flatnonzero(~self._is_checked[rows])
        if not new.size:
            return None
        if self._digests is None:
            self._digests = self._read_digests()
        differ = (digests_of(images[new]) != self._digests[rows[new]]).any(1)
        self._is_checked[rows[new[~differ]]] = True
        return int(rows[new[differ][0]]) if differ.any() else None
