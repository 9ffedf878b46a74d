"""Handwritten digits of 8 × 8 pixels, which come with scikit-learn."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.interfaces import DataSpec

__version__ = "1"


class DigitsConfig(Config):
    """The setting of `digits`. The training images are the same with any."""

    ADDED_LATER = frozenset({"selection"})

    selection: int = Field(
        0,
        ge=0,
        le=894,
        description="held-out images that the curve alone compares with, such as 448, which leaves evaluation sets of up to 224; "
        "with 0 the curve compares with draws of the images that cells are evaluated with",
    )


def spec(config: DigitsConfig) -> DataSpec:  # noqa: ARG001 - the same for all settings
    """Return what `digits` holds, without reading it."""
    return DataSpec((1, 8, 8), classes=10, preview="images")


def held_out(config: Config) -> int:
    """Return how many images the evaluation draws are taken from."""
    return 896 - config.selection if isinstance(config, DigitsConfig) else 896


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide the dataset. Everybody trains on the same images; a board says how many of the others are for the curve alone."""
    return [
        Dataset(
            "digits",
            config=DigitsConfig,
            build="harness_digits.images:digits",
            spec="harness_digits:spec",
            held_out=held_out,
            summary="1,797 digits of 8×8 from scikit-learn: 901 to train, 896 held out; evaluation sets of up to 448",
        )
    ]
