"""Two-dimensional toy datasets: a swiss roll and two half moons."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.interfaces import DataSpec

__version__ = "1"


class PointsConfig(Config):
    """Settings of both datasets: the number of points, their seed, their noise."""

    train_size: int = Field(10_000, ge=2, le=10_000_000, description="number of training points")
    train_seed: int = Field(
        0, ge=0, lt=2**31, description="seed of the training points; evaluation sets never use it, whatever it is"
    )
    noise: float = Field(
        0.05, ge=0, le=10, description="standard deviation of the noise, in scikit-learn's units, before the scaling"
    )


def spec(config: PointsConfig) -> DataSpec:  # noqa: ARG001 - the same for all settings
    """Return what both datasets hold: points in the plane."""
    return DataSpec((2,))


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide both datasets, which have the same settings."""
    return [
        Dataset(
            "swiss-roll",
            config=PointsConfig,
            build="harness_toy_data.points:swiss_roll",
            spec="harness_toy_data:spec",
            summary="2-D swiss roll: scikit-learn's, columns 0 and 2, divided by 20",
        ),
        Dataset(
            "two-moons",
            config=PointsConfig,
            build="harness_toy_data.points:two_moons",
            spec="harness_toy_data:spec",
            summary="two interleaved half circles: scikit-learn's, divided by 2",
        ),
    ]
