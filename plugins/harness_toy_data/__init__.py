"""Two-dimensional toy datasets: a swiss roll and two half moons."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.interfaces import DataSpec

__version__ = "1"


class PointsConfig(Config):
    """Settings that both datasets have: the number of points, their seed, their noise."""

    train_size: int = Field(10_000, ge=2, le=10_000_000, description="number of training points")
    train_seed: int = Field(
        0, ge=0, lt=2**31, description="seed of the training points; evaluation sets never use it, whatever it is"
    )
    noise: float = Field(
        0.05, ge=0, le=10, description="standard deviation of the noise, in scikit-learn's units, before the scaling"
    )


class MoonsConfig(PointsConfig):
    """Settings of the two moons."""

    ADDED_LATER: ClassVar[frozenset[str]] = PointsConfig.ADDED_LATER | {"sampling"}

    sampling: Literal["stratified", "independent"] = Field(
        "stratified",
        description="stratified: half of the points on each moon, at evenly spaced angles, as scikit-learn places them; "
        "independent: each point on a moon by a fair coin, at an angle drawn uniformly",
    )


def spec(config: PointsConfig) -> DataSpec:  # noqa: ARG001 - the same for all settings
    """Return what both datasets hold: points in the plane."""
    return DataSpec((2,))


def stratified(config: Config) -> str:
    """Return how the draws of `two-moons` are no independent draws; "" where they are."""
    is_stratified = isinstance(config, MoonsConfig) and config.sampling == "stratified"
    return "half of the points on each moon, at evenly spaced angles" if is_stratified else ""


def held_out(config: Config) -> int:  # noqa: ARG001 - the same for all settings
    """Return 0: points are made anew for each draw."""
    return 0


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Provide both datasets."""
    return [
        Dataset(
            "swiss-roll",
            config=PointsConfig,
            build="harness_toy_data.points:swiss_roll",
            spec="harness_toy_data:spec",
            held_out=held_out,
            summary="2-D swiss roll: scikit-learn's, columns 0 and 2, divided by 20",
        ),
        Dataset(
            "two-moons",
            config=MoonsConfig,
            build="harness_toy_data.points:two_moons",
            spec="harness_toy_data:spec",
            held_out=held_out,
            stratified=stratified,
            summary="two interleaved half circles: scikit-learn's, divided by 2",
        ),
    ]
