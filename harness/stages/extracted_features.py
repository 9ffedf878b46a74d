"""Features of a set of images, and the code that extracted them."""

from __future__ import annotations

from typing import NamedTuple

from harness.features import FeatureSet
from harness.store.records import SourceFacts


class ExtractedFeatures(NamedTuple):
    """Features as a job keeps them in memory.

    Args:
        sources: the code that extracted them; empty for features that an older version stored.
    """

    features: FeatureSet
    sources: list[SourceFacts]
