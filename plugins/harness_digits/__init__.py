"""Handwritten digits of 8 × 8 pixels, which come with scikit-learn."""

from __future__ import annotations

from harness import Dataset, hookimpl
from harness.config import NoConfig
from harness.interfaces import DataSpec

__version__ = "1"


def spec(config: NoConfig) -> DataSpec:  # noqa: ARG001 - the same for all settings
    """Return what `digits` holds, without reading it."""
    return DataSpec((1, 8, 8), classes=10, preview="images")


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide the dataset. It has no settings, so that everybody splits it in the same way."""
    return [
        Dataset(
            "digits",
            build="harness_digits.images:digits",
            spec="harness_digits:spec",
            summary="1,797 digits of 8×8 from scikit-learn: 901 to train, 896 held out; evaluation sets of up to 448",
        )
    ]
