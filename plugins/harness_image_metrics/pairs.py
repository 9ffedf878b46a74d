"""Values that one metric works out of two sets of features and another metric of the same two sets uses again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness.features import FeatureSet

T = TypeVar("T")


def remembered_of_pair(generated: FeatureSet, real: FeatureSet, what: object, make: Callable[[], T]) -> T:
    """Return the result of `make`, which is called once for these two sets and the key `what`."""
    # The memo holds the real set beside the result: as long as it does, no other object can have the same id.
    key = (what, id(real))
    return generated.remembered(key, lambda: (real, make()))[1]
