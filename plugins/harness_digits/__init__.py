"""Handwritten digits of 8 × 8 pixels, which come with scikit-learn."""

from __future__ import annotations

from harness import Dataset, hookimpl

__version__ = "1"


@hookimpl
def harness_datasets() -> list[Dataset]:
    """One dataset, without settings: everybody splits it in the same way."""
    return [
        Dataset(
            "digits",
            build="harness_digits.images:digits",
            summary="1,797 digits of 8×8 from scikit-learn: 901 to train, 896 held out; evaluation sets of up to 448",
        )
    ]
