"""Another dataset's images with known faults, to see which metric notices what."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, hookimpl

__version__ = "1"


class CorruptedConfig(Config):
    """Which dataset, and how much of which fault; with all faults at 0 the images are the dataset's own."""

    dataset: str = Field("digits", description="name of an installed dataset of images, taken with its default settings")
    blur: float = Field(0.0, ge=0, le=20, description="standard deviation of a Gaussian blur, in pixels")
    noise: float = Field(
        0.0, ge=0, le=2, description="standard deviation of added Gaussian noise, in units of [-1, 1], to which it is clipped"
    )
    dropped_classes: int = Field(0, ge=0, lt=1000, description="how many of the last classes are missing (mode dropping)")
    swapped_labels: float = Field(
        0.0, ge=0, le=1, description="share of images that carry the next class's label; no image changes"
    )


@hookimpl
def harness_datasets() -> list[Dataset]:
    """One component for all faults."""
    return [
        Dataset(
            "corrupted",
            config=CorruptedConfig,
            build="harness_corrupted.images:Corrupted",
            check_ready="harness_corrupted.files:check",
            summary="another dataset's images, blurred, noisy, without some classes, or with swapped labels",
        )
    ]
