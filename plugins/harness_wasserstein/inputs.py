"""Check what both distances require of the two sets."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from harness import Diverged
from harness.interfaces import Batch


def point_sets(generated: Batch, real: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets as rows, (n, d), float64.

    Raises: ValueError when they differ in size or dimension, are empty, or the real set has values that are not finite;
        harness.Diverged when the generated set has.
    """
    x, y = _rows(generated.x), _rows(real.x)
    if x.shape != y.shape or not x.size:
        raise ValueError(
            f"need two sets of the same size and dimension, not empty; got {len(x)} generated points of {x.shape[1]} "
            f"dimensions and {len(y)} real ones of {y.shape[1]}"
        )
    if not np.isfinite(y).all():
        raise ValueError("the real points have values that are not finite")
    bad = int((~np.isfinite(x)).any(axis=1).sum())
    if bad:
        raise Diverged(f"{bad} of {len(x)} generated samples have values that are not finite")
    return x, y


def _rows(x: Tensor) -> np.ndarray:
    return x.detach().flatten(1).cpu().double().numpy()
