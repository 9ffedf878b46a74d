"""How many images a metric needs. It imports no torch, since boards are checked by it before anything runs."""

from __future__ import annotations

from harness import UserError
from harness.components import MetricUsage
from harness_image_metrics import (
    FrechetConfig,
    InceptionScoreConfig,
    KernelConfig,
    NeighboursConfig,
    StandardErrorConfig,
)


def enough_for_features(config: FrechetConfig, usage: MetricUsage) -> None:
    """Check that there are more images than features, if their number is known. Raises: UserError where there are not."""
    _enough_for_covariance(config, usage.images, usage.outputs["features"])


def enough_for_spatial(config: FrechetConfig, usage: MetricUsage) -> None:
    """Check that there are more images than spatial features, if their number is known. Raises: UserError otherwise."""
    _enough_for_covariance(config, usage.images, usage.outputs["spatial"])


def enough_for_standard_error(config: StandardErrorConfig, usage: MetricUsage) -> None:
    """Check the images, and for `split-half` a half of them, as for the distance itself. Raises: UserError for too few."""
    n, dimensions = usage.images, usage.outputs["features"]
    _enough_for_covariance(config, n, dimensions)
    if config.by == "split-half" and n is not None:
        try:
            _enough_for_covariance(config, n // 2, dimensions)
        except UserError as error:
            reason = (
                f"by: split-half measures half of the {n} images, where by: bootstrap measures all of them. For a half, {error}"
            )
            raise UserError(reason) from None


def _enough_for_covariance(config: FrechetConfig, n: int | None, dimensions: int) -> None:
    if n is None:  # statistics from a file that does not say of how many images they are
        return
    if n < 2:
        raise UserError(f"a Fréchet distance needs at least 2 images, got {n}")
    if n <= dimensions and not config.few_images:
        raise UserError(
            f"a Fréchet distance of {dimensions} features needs more than {dimensions} images, got {n}: with fewer it says "
            f"more about their number than about the images. Use kid, which is unbiased at any number (with a subset_size "
            f"of at most {n}), or set few_images: true"
        )


def enough_for_subsets(config: KernelConfig, usage: MetricUsage) -> None:
    """Check that a subset can be drawn. Raises: UserError for too few images."""
    n = usage.images
    if n is not None and n < 2:
        raise UserError(f"kid needs at least 2 images, got {n}")
    if n is not None and n < config.subset_size:
        raise UserError(
            f"kid draws subsets of {config.subset_size} images, and there are {n}; set subset_size to at most {n}, better to "
            "half of it"
        )


def enough_for_splits(config: InceptionScoreConfig, usage: MetricUsage) -> None:
    """Check that each split has an image. Raises: UserError for too few images."""
    n = usage.images
    if n is not None and n < config.splits:
        raise UserError(f"is splits the images in {config.splits} parts, and there are {n}; set splits to at most {n}")


def enough_for_neighbours(config: NeighboursConfig, usage: MetricUsage) -> None:
    """Check that an image has k others. Raises: UserError for too few images."""
    n = usage.images
    if n is not None and n <= config.k:
        hint = f"; set k to at most {n - 1}" if n > 1 else ""
        raise UserError(f"the distance to neighbour {config.k} needs more than {config.k} images, got {n}{hint}")
