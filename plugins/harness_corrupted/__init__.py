"""Another dataset's images with known faults, which show what faults a metric notices."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, hookimpl

__version__ = "1"


class CorruptedConfig(Config):
    """Settings: the dataset, and the amount of each fault. With all faults at 0 the images are the dataset's own."""

    ADDED_LATER = frozenset({"selection"})

    dataset: str = Field(
        "digits", description="name of an installed dataset of images, which has its default settings but for `selection`"
    )
    selection: int = Field(
        0,
        ge=0,
        description="the dataset's setting of this name: images kept for the curve; on a board whose dataset keeps some, as many",
    )
    blur: float = Field(0.0, ge=0, le=20, description="standard deviation of a Gaussian blur, in pixels")
    noise: float = Field(
        0.0, ge=0, le=2, description="standard deviation of added Gaussian noise; images are in [-1, 1], and clipped to it after"
    )
    dropped_classes: int = Field(0, ge=0, lt=1000, description="number of the last classes that are missing (mode dropping)")
    swapped_labels: float = Field(
        0.0, ge=0, le=1, description="share of images that get the label of the next class; no image changes"
    )


def _stratified(config: Config) -> str:
    from harness_corrupted import files

    return files.stratified(config)


def _held_out(config: Config) -> int | None:
    from harness_corrupted import files

    return files.held_out(config)


def _is_made_up(config: Config) -> bool:
    from harness_corrupted import files

    return files.is_made_up(config)


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide the dataset, one component for all faults."""
    return [
        Dataset(
            "corrupted",
            config=CorruptedConfig,
            build="harness_corrupted.images:Corrupted",
            check_ready="harness_corrupted.files:check",
            spec="harness_corrupted.files:spec",
            stratified=_stratified,
            held_out=_held_out,
            made_up=_is_made_up,
            summary="another dataset's images, blurred, noisy, without some classes, or with swapped labels",
        )
    ]
