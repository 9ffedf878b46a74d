"""Wasserstein-2 distances between sets of points: the exact one, and the sliced one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness import Config, Metric, hookimpl

__version__ = "1"


class ExactConfig(Config):
    """Settings of the exact distance. They choose how the assignment problem is solved; the value does not depend on them."""

    solver: Literal["auto", "dense", "lazy"] = Field(
        "auto",
        description="dense takes about 40 bytes for each pair of points (4 GB at 10,000 points); lazy takes little "
        "memory and several times as long; auto: dense where that needs at most a third of the free memory, lazy otherwise",
    )


class SlicedConfig(Config):
    """Settings of the sliced distance: the lines that the sets are projected on."""

    projections: int = Field(
        100,
        ge=1,
        le=1_000_000,
        description="number of random directions; a pure translation in the plane is at most 8.6 % off with the 100 of seed 0, "
        "and at most 1.0 % with 1000",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the directions; the same for every cell of a board")


@hookimpl
def harness_metrics() -> list[Metric]:
    """Provide both distances, in units of the data and not squared."""
    return [
        Metric(
            "w2",
            config=ExactConfig,
            build="harness_wasserstein.exact:build",
            summary="exact Wasserstein-2 distance between sets of equal size",
            lowest=0.0,
        ),
        Metric(
            "sliced-w2",
            config=SlicedConfig,
            build="harness_wasserstein.sliced:build",
            summary="sliced Wasserstein-2 distance: root mean square over random projections",
            lowest=0.0,
        ),
    ]
